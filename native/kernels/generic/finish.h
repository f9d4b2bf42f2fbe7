// From a tile's sums to the output, sixteen columns at a time.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

template <class Isa>
struct Int32Output {
  using Element = std::int32_t;
  explicit Int32Output(const Gemm&) {}

  OCTAVO_INLINE void operator()(const typename Isa::Ints (&v)[kRegisters<Isa>], std::size_t, Element* c) const {
    OCTAVO_UNROLL
    for (int r = 0; r < kRegisters<Isa>; ++r) Isa::store(c + r * Isa::kLanes, v[r]);
  }
};

template <class Isa>
struct FloatOutput {
  using Element = float;
  const float* multiplier;
  explicit FloatOutput(const Gemm& gemm) : multiplier(gemm.multiplier) {}

  OCTAVO_INLINE void operator()(const typename Isa::Ints (&v)[kRegisters<Isa>], std::size_t column, Element* c) const {
    OCTAVO_UNROLL
    for (int r = 0; r < kRegisters<Isa>; ++r) {
      const auto factor = Isa::load(multiplier + column + r * Isa::kLanes);
      Isa::store(c + r * Isa::kLanes, Isa::multiply(Isa::to_floats(v[r]), factor));
    }
  }
};

// The bounds are integers, so clipping before rounding gives what clipping after it does, and fits int32.
template <class Isa>
struct ByteOutput {
  using Element = std::uint8_t;
  const float* multiplier;
  typename Isa::Floats low, high;
  typename Isa::Ints zero_point;
  explicit ByteOutput(const Gemm& gemm)
      : multiplier(gemm.multiplier),
        low(Isa::all(static_cast<float>(gemm.low - gemm.zero_point))),
        high(Isa::all(static_cast<float>(gemm.high - gemm.zero_point))),
        zero_point(Isa::all(gemm.zero_point)) {}

  OCTAVO_INLINE void operator()(const typename Isa::Ints (&v)[kRegisters<Isa>], std::size_t column, Element* c) const {
    typename Isa::Ints q[kRegisters<Isa>];
    OCTAVO_UNROLL
    for (int r = 0; r < kRegisters<Isa>; ++r) {
      const auto scaled = Isa::multiply(Isa::to_floats(v[r]), Isa::load(multiplier + column + r * Isa::kLanes));
      q[r] = Isa::add(Isa::round(Isa::min(Isa::max(scaled, low), high)), zero_point);
    }
    Isa::store_low_bytes(c, q);
  }
};

// Where a tile lies in the output.
struct Place {
  std::size_t row;
  std::size_t column;
  int rows;
  int panels;
};

// row_sums are those of a, from the tile's first row on; read only if b has zero points.
template <class Isa, class Out>
void finish(const Gemm& gemm, const Place& place, const std::int32_t* sums, const std::int32_t* row_sums) {
  const Out out(gemm);
  for (int row = 0; row < place.rows; ++row) {
    for (int panel = 0; panel < place.panels; ++panel, sums += kBlock) {
      const std::size_t column = place.column + panel * kBlock;
      typename Isa::Ints v[kRegisters<Isa>];
      OCTAVO_UNROLL
      for (int r = 0; r < kRegisters<Isa>; ++r) v[r] = Isa::load(sums + r * Isa::kLanes);
      if (gemm.b_zero != nullptr) {
        OCTAVO_UNROLL
        for (int r = 0; r < kRegisters<Isa>; ++r) {
          const auto zero_point = Isa::load(gemm.b_zero + column + r * Isa::kLanes);
          v[r] = Isa::subtract(v[r], Isa::multiply(zero_point, Isa::all(row_sums[row])));
        }
      }
      using Element = typename Out::Element;
      Element* c = static_cast<Element*>(gemm.c) + (place.row + row) * gemm.c_stride + column;
      if (column + kBlock <= gemm.n) {
        out(v, column, c);
      } else {
        Element whole[kBlock];
        out(v, column, whole);
        std::memcpy(c, whole, (gemm.n - column) * sizeof(Element));
      }
    }
  }
}

}  // namespace
}  // namespace octavo
