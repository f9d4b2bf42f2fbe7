// The product of two matrices: rows of a in blocks that stay in the second-level cache, under each block the panels of
// b, under each panel the block's rows, tile by tile.
#pragma once

#include "kernels/generic/finish.h"
#include "kernels/generic/left.h"
#include "kernels/generic/tile.h"

namespace octavo {
namespace {

constexpr std::size_t kLeftBytes = 1 << 17;
constexpr std::size_t kLine = 64;

// Rows of a block: whole tiles.
template <class Isa>
std::size_t block_rows(std::size_t m, std::size_t k) {
  const std::size_t row_bytes = packed_left_stride<Isa>(k) / Isa::kRowStep * sizeof(typename Isa::Left) + 1;
  const std::size_t fitting = kLeftBytes / row_bytes / Isa::kTileRows * Isa::kTileRows;
  const std::size_t needed = (m + Isa::kTileRows - 1) / Isa::kTileRows * Isa::kTileRows;
  const std::size_t least = Isa::kTileRows;
  return fitting < least ? least : fitting < needed ? fitting : needed;
}

// The row sums come first, in whole cache lines.
constexpr std::size_t sums_bytes(std::size_t rows) { return (rows * sizeof(std::int32_t) + kLine - 1) / kLine * kLine; }

template <class Isa>
std::size_t gemm_scratch(std::size_t m, std::size_t k) {
  const std::size_t rows = block_rows<Isa>(m, k);
  const std::size_t groups = (rows + Isa::kRowStep - 1) / Isa::kRowStep;
  return sums_bytes(rows) + groups * packed_left_stride<Isa>(k) * sizeof(typename Isa::Left);
}

// bias - (zero point of what the tiles read as a) * (sum of b's column).
template <class Isa>
void start_sums(const Gemm& gemm, std::size_t column, std::size_t count, std::int32_t* start) {
  const std::int32_t zero_point = gemm.a_zero + shift<Isa>(gemm.a_signed);
  for (std::size_t i = column; i < column + count; ++i) {
    *start++ = (gemm.bias == nullptr ? 0 : gemm.bias[i]) - zero_point * gemm.b_sums[i];
  }
}

template <class Isa>
using Finish = void (*)(const Gemm&, const Place&, const std::int32_t*, const std::int32_t*);

template <class Isa>
Finish<Isa> finish_of(Output output) {
  switch (output) {
    case Output::kInt32:
      return finish<Isa, Int32Output<Isa>>;
    case Output::kFloat:
      return finish<Isa, FloatOutput<Isa>>;
    default:
      return finish<Isa, ByteOutput<Isa>>;
  }
}

// One block of rows by all panels, in tiles of at most Rows by Panels.
template <class Isa, int Rows, int Panels>
void run_block(const Gemm& gemm, std::size_t first, std::size_t rows, TileInput<Isa> input,
               const std::int32_t* row_sums) {
  const Finish<Isa> finish = finish_of<Isa>(gemm.output);
  const typename Isa::Left* a = input.a;
  const std::size_t all = panels(gemm.n);
  alignas(kLine) std::int32_t start[Panels * kBlock], sums[Rows * Panels * kBlock];
  input.start = start;
  for (std::size_t panel = 0; panel < all; panel += Panels) {
    const int wide = static_cast<int>(all - panel < Panels ? all - panel : Panels);
    start_sums<Isa>(gemm, panel * kBlock, wide * kBlock, start);
    input.b = gemm.b + panel * input.b_stride;
    for (std::size_t row = 0; row < rows; row += Rows) {
      const int high = static_cast<int>(rows - row < Rows ? rows - row : Rows);
      input.a = a + row / Isa::kRowStep * input.a_stride;
      run_tile<Isa, Rows, Panels>((high + Isa::kRowStep - 1) / Isa::kRowStep * Isa::kRowStep, wide, input, sums);
      finish(gemm, {first + row, panel * kBlock, high, wide}, sums, row_sums + row);
    }
  }
}

template <class Isa>
void gemm(const Gemm& gemm, void* scratch) {
  const bool in_place = readable_in_place<Isa>(gemm);
  const std::size_t block = block_rows<Isa>(gemm.m, gemm.k);
  auto* row_sums = static_cast<std::int32_t*>(scratch);
  auto* packed = reinterpret_cast<typename Isa::Left*>(static_cast<char*>(scratch) + sums_bytes(block));
  TileInput<Isa> input{};
  input.a_stride = in_place ? gemm.a_stride : packed_left_stride<Isa>(gemm.k);
  input.b_stride = panel_bytes(gemm.k);
  input.steps = (gemm.k + Isa::kDepth - 1) / Isa::kDepth;
  for (std::size_t first = 0; first < gemm.m; first += block) {
    const std::size_t rows = gemm.m - first < block ? gemm.m - first : block;
    if (in_place) {
      input.a = reinterpret_cast<const typename Isa::Left*>(gemm.a + first * gemm.a_stride);
    } else {
      pack_left_rows<Isa>(gemm, first, rows, packed);
      input.a = packed;
    }
    if (gemm.b_zero != nullptr) {
      for (std::size_t r = 0; r < rows; ++r) row_sums[r] = centred_sum(gemm, first + r);
    }
    if (gemm.m == 1) {
      // A vector: few sums a panel, so more panels keep the multipliers busy.
      run_block<Isa, Isa::kRowStep, Isa::kVectorPanels>(gemm, first, rows, input, row_sums);
    } else {
      run_block<Isa, Isa::kTileRows, Isa::kTilePanels>(gemm, first, rows, input, row_sums);
    }
  }
}

}  // namespace
}  // namespace octavo
