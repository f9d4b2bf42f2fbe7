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

constexpr int kGroup = 4;  // panels that are stored together

template <class Isa, int Panels, class Out>
OCTAVO_INLINE void finish_row(const Gemm& gemm, const Out& out, std::size_t row, std::size_t column,
                              const std::int32_t* sums, const std::int32_t* row_sum) {
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
  out.template store<kNow>(v, column, gemm.n - column, c);
  if constexpr (Panels > kGroup) {
    const std::size_t next = column + kGroup * kBlock;
    finish_row<Isa, Panels - kGroup>(gemm, out, row, next, sums + kGroup * kBlock, row_sum);
  }
}

// row_sums are those of a, from the tile's first row on; null unless b has zero points.
template <class Isa, int Panels, class Out>
void finish(const Gemm& gemm, const Place& place, const std::int32_t* sums, const std::int32_t* row_sums) {
  const Out out(gemm);
  for (int row = 0; row < place.rows; ++row, sums += Panels * kBlock) {
    finish_row<Isa, Panels>(gemm, out, place.row + row, place.column, sums,
                            row_sums == nullptr ? nullptr : row_sums + row);
  }
}

template <class Isa>
using Finish = void (*)(const Gemm&, const Place&, const std::int32_t*, const std::int32_t*);

template <class Isa, int Panels>
Finish<Isa> finish_of(Output output) {
  switch (output) {
    case Output::kInt32:
      return finish<Isa, Panels, Int32Output<Isa>>;
    case Output::kFloat:
      return finish<Isa, Panels, FloatOutput<Isa>>;
    case Output::kJoined:
      return finish<Isa, Panels, JoinedOutput<Isa>>;
    default:
      return finish<Isa, Panels, ByteOutput<Isa>>;
  }
}

}  // namespace
}  // namespace octavo
