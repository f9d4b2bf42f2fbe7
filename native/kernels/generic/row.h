// Rows of float32 in blocks of sixteen. Reductions have the same order on every instruction set: sixteen partial
// results, whose upper half is combined with the lower half until one is left.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/generic/to_grid.h"
#include "kernels/isa/concept.h"

namespace octavo {
namespace {

template <class Isa>
using Block = typename Isa::Floats[kRegisters<Isa>];

// Calls body(i, left) for each block: its offset, and the number of values from there to the end of the row.
template <class Body>
OCTAVO_INLINE void each_part_of_row(std::size_t count, const Body& body) {
  for (std::size_t i = 0; i < count; i += kBlock) body(i, count - i);
}

// `fill` replaces values past the end of the row.
template <class Isa>
OCTAVO_INLINE void load_block(const float* p, std::size_t left, float fill, Block<Isa>& v) {
  if constexpr (HasMasks<Isa>) {
    v[0] = left < kBlock ? Isa::load_first(p, left, fill) : Isa::load(p);
    return;
  }
  float padded[kBlock];
  if (left < kBlock) {
    for (std::size_t i = 0; i < kBlock; ++i) padded[i] = i < left ? p[i] : fill;
    p = padded;
  }
  each<kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA { v[r] = Isa::load(p + r * Isa::kLanes); });
}

template <class Isa>
OCTAVO_INLINE void store_block(const Block<Isa>& v, std::size_t left, float* p) {
  if constexpr (HasMasks<Isa>) {
    if (left < kBlock) return Isa::store_first(p, left, v[0]);
  }
  float padded[kBlock];
  float* to = left < kBlock ? padded : p;
  each<kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA { Isa::store(to + r * Isa::kLanes, v[r]); });
  if (left < kBlock) std::memcpy(p, padded, left * sizeof(float));
}

template <class Isa>
OCTAVO_INLINE void quantize_block(const Block<Isa>& v, std::size_t left, const Step& step, std::uint8_t* p) {
  std::uint8_t padded[kBlock];
  typename Isa::Ints q[kRegisters<Isa>];
  each<kRegisters<Isa>>([&](auto r)
                            OCTAVO_LAMBDA { q[r] = Isa::add(to_grid<Isa>(v[r], step), Isa::all(step.zero_point)); });
  if constexpr (HasMasks<Isa>) {
    if (left < kBlock) return Isa::store_first(p, left, q[0]);
  }
  Isa::store_low_bytes(left < kBlock ? padded : p, q);
  if (left < kBlock) std::memcpy(p, padded, left);
}

// v = body(v), register by register.
template <class Isa, class Body>
OCTAVO_INLINE void change(Block<Isa>& v, const Body& body) {
  each<kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA { v[r] = body(v[r]); });
}

// v = body(v, other).
template <class Isa, class Body>
OCTAVO_INLINE void zip(Block<Isa>& v, const Block<Isa>& other, const Body& body) {
  each<kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA { v[r] = body(v[r], other[r]); });
}

template <class Isa>
OCTAVO_INLINE void fill(Block<Isa>& v, float value) {
  each<kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA { v[r] = Isa::all(value); });
}

template <class Isa>
struct Plus {
  OCTAVO_INLINE typename Isa::Floats operator()(typename Isa::Floats a, typename Isa::Floats b) const {
    return Isa::add(a, b);
  }
};

// Maximum; the second operand if the first is NaN.
template <class Isa>
struct Larger {
  OCTAVO_INLINE typename Isa::Floats operator()(typename Isa::Floats a, typename Isa::Floats b) const {
    return Isa::max(a, b);
  }
};

// Reduces the registers of a block to one.
template <class Isa, class Body>
OCTAVO_INLINE typename Isa::Floats halved(Block<Isa> v, const Body& body) {
  for (int half = kRegisters<Isa> / 2; half > 0; half /= 2) {
    for (int r = 0; r < half; ++r) v[r] = body(v[r], v[r + half]);
  }
  return v[0];
}

template <class Isa>
OCTAVO_INLINE float total(Block<Isa>& v) {
  return Isa::total(halved<Isa>(v, Plus<Isa>()));
}

template <class Isa>
float row_sum(const float* x, std::size_t count) {
  Block<Isa> sums;
  fill<Isa>(sums, 0.0f);
  each_part_of_row(count, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
    Block<Isa> v;
    load_block<Isa>(x + i, left, 0.0f, v);
    zip<Isa>(sums, v, Plus<Isa>());
  });
  return total<Isa>(sums);
}

// Ignores NaN.
template <class Isa>
float row_max(const float* x, std::size_t count) {
  Block<Isa> most;
  fill<Isa>(most, -__builtin_inff());
  each_part_of_row(count, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
    Block<Isa> v;
    load_block<Isa>(x + i, left, -__builtin_inff(), v);
    zip<Isa>(v, most, Larger<Isa>());
    zip<Isa>(most, v, [](auto, auto larger) OCTAVO_LAMBDA { return larger; });
  });
  return Isa::largest(halved<Isa>(most, Larger<Isa>()));
}

}  // namespace
}  // namespace octavo
