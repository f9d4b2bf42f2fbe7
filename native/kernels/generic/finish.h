// From a tile's sums in memory to the output, a row of some panels at a time.
#pragma once

#include "kernels/generic/output.h"

namespace octavo {
namespace {

// Where a tile lies in the output.
struct Place {
  std::size_t row;
  std::size_t column;
  int rows;
};

template <class Isa, int Panels, class Out>
OCTAVO_INLINE void finish_row(const Gemm& gemm, const Out& out, std::size_t row, std::size_t column,
                              const std::int32_t* sums, const std::int32_t* row_sum, std::size_t columns) {
  constexpr int kNow = Panels < kGroup ? Panels : kGroup;
  typename Isa::Ints v[kNow * kRegisters<Isa>];
  OCTAVO_UNROLL
  for (int r = 0; r < kNow * kRegisters<Isa>; ++r) v[r] = Isa::load(sums + r * Isa::kLanes);
  if (row_sum != nullptr) {
    OCTAVO_UNROLL
    for (int r = 0; r < kNow * kRegisters<Isa>; ++r) {
      const auto zero_point = Isa::load(gemm.b_zero + column + r * Isa::kLanes);
      v[r] = Isa::subtract(v[r], Isa::multiply(zero_point, Isa::all(*row_sum)));
    }
  }
  auto* c = static_cast<typename Out::Element*>(gemm.c) + row * gemm.c_stride + column;
  out.template store<kNow>(v, column, columns, c);
  if constexpr (Panels > kGroup) {
    const std::size_t next = column + kGroup * kBlock;
    finish_row<Isa, Panels - kGroup>(gemm, out, row, next, sums + kGroup * kBlock, row_sum, columns - kGroup * kBlock);
  }
}

// The same with `out` made for rows that are stored together. What `sums` has room for is a multiple of kGroup panels.
template <class Isa, int Panels, class Out>
void finish_together(const Gemm& gemm, const Out& out, const Place& place, const std::int32_t* sums) {
  constexpr int kRows = Together<Panels>::kRows;
  for (int row = 0; row < place.rows; row += kRows, sums += kGroup * kBlock) {
    finish_row<Isa, kGroup>(gemm, out, place.row + static_cast<std::size_t>(row), 0, sums, nullptr,
                            static_cast<std::size_t>(place.rows - row) * gemm.n);
  }
}

// row_sums are those of a, from the tile's first row on; null unless b has zero points.
template <class Isa, int Panels, class Out>
void finish(const Gemm& gemm, const Out& out, const Place& place, const std::int32_t* sums,
            const std::int32_t* row_sums) {
  for (int row = 0; row < place.rows; ++row, sums += Panels * kBlock) {
    finish_row<Isa, Panels>(gemm, out, place.row + static_cast<std::size_t>(row), place.column, sums,
                            row_sums == nullptr ? nullptr : row_sums + row, gemm.n - place.column);
  }
}

}  // namespace
}  // namespace octavo
