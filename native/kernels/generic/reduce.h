// Sums and extremes of a row in one order on every instruction set: sixteen partial results, every sixteenth value
// each, and those in a tree.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

template <class Isa>
using Partial = typename Isa::Floats[kRegisters<Isa>];

// body(register, values) for every block of a row; `fill` follows its end.
template <class Isa, class Body>
OCTAVO_INLINE void each_register(const float* x, std::size_t count, float fill, Body body) {
  std::size_t i = 0;
  for (; i + kBlock <= count; i += kBlock) {
    OCTAVO_UNROLL
    for (int r = 0; r < kRegisters<Isa>; ++r) body(r, Isa::load(x + i + r * Isa::kLanes));
  }
  if (i == count) return;
  float padded[kBlock];
  for (std::size_t j = 0; j < kBlock; ++j) padded[j] = i + j < count ? x[i + j] : fill;
  OCTAVO_UNROLL
  for (int r = 0; r < kRegisters<Isa>; ++r) body(r, Isa::load(padded + r * Isa::kLanes));
}

template <class Isa>
OCTAVO_INLINE void start(float value, Partial<Isa>& partial) {
  OCTAVO_UNROLL
  for (int r = 0; r < kRegisters<Isa>; ++r) partial[r] = Isa::all(value);
}

template <class Isa, class Join>
OCTAVO_INLINE float joined(const Partial<Isa>& partial, Join join) {
  float v[kBlock];
  OCTAVO_UNROLL
  for (int r = 0; r < kRegisters<Isa>; ++r) Isa::store(v + r * Isa::kLanes, partial[r]);
  for (std::size_t half = kBlock / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) v[i] = join(v[i], v[i + half]);
  }
  return v[0];
}

template <class Isa>
OCTAVO_INLINE float total(const Partial<Isa>& partial) {
  return joined<Isa>(partial, [](float a, float b) { return a + b; });
}

template <class Isa>
float row_sum(const float* x, std::size_t count) {
  Partial<Isa> sums;
  start<Isa>(0.0f, sums);
  each_register<Isa>(x, count, 0.0f, [&](int r, typename Isa::Floats v) { sums[r] = Isa::add(sums[r], v); });
  return total<Isa>(sums);
}

// NaN is passed over.
template <class Isa>
float row_max(const float* x, std::size_t count) {
  constexpr float kLeast = -__builtin_inff();
  Partial<Isa> most;
  start<Isa>(kLeast, most);
  each_register<Isa>(x, count, kLeast, [&](int r, typename Isa::Floats v) { most[r] = Isa::max(v, most[r]); });
  return joined<Isa>(most, [](float a, float b) { return a > b ? a : b; });
}

}  // namespace
}  // namespace octavo
