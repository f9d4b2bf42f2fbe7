// GEMM, as nested loops: over blocks of lhs rows that stay in the L2 cache, over panels of the rhs, over tiles.
#pragma once

#include "kernels/generic/rows.h"

namespace octavo {
namespace {

constexpr std::size_t kLeftBytes = 1 << 17;

// Padded, because rows a power of two apart would compete for the same cache sets.
constexpr std::size_t left_stride(std::size_t k) { return (k + kBlock - 1) / kBlock * kBlock + 2 * kBlock; }

template <class Isa>
std::size_t block_rows(std::size_t m, std::size_t k) {
  constexpr std::size_t kStep = 4 * Isa::tile_rows(Isa::kTilePanels);
  const std::size_t fitting = kLeftBytes / (left_stride(k) * sizeof(typename Isa::Lhs) + 1) / kStep * kStep;
  const std::size_t most = fitting < kStep ? kStep : fitting;
  return m < most ? m : most;
}

// Scratch: widened weights, row sums, row pointers, and converted rows.
template <class Isa>
std::size_t gemm_scratch(std::size_t m, std::size_t k) {
  const std::size_t rows = block_rows<Isa>(m, k);
  return widened_bytes<Isa>(k) + whole_lines(rows * sizeof(std::int32_t)) + pointer_bytes(rows) +
         rows * left_stride(k) * sizeof(typename Isa::Lhs);
}

template <class Isa>
void gemm(const Gemm& gemm, void* scratch) {
  using Lhs = typename Isa::Lhs;
  const bool in_place = readable<Isa>(gemm.a_signed) && gemm.k % Isa::kDepth == 0;
  const std::size_t block = block_rows<Isa>(gemm.m, gemm.k), stride = left_stride(gemm.k), segment = 0;
  auto* widened = static_cast<std::int8_t*>(scratch);
  auto* row_sums = reinterpret_cast<std::int32_t*>(widened + widened_bytes<Isa>(gemm.k));
  auto* rows = reinterpret_cast<const Lhs**>(reinterpret_cast<char*>(row_sums) + whole_lines(block * sizeof(int)));
  auto* converted = reinterpret_cast<Lhs*>(reinterpret_cast<char*>(rows) + pointer_bytes(block));
  RowsInput<Isa> input{rows, 0, 0, &segment, 1, steps_of<Isa>(gemm.k), panel_depth(gemm.k), nullptr, widened};
  if (gemm.b_zero != nullptr) input.row_sums = row_sums;
  for (std::size_t first = 0; first < gemm.m; first += block) {
    const std::uint8_t* a = gemm.a + first * gemm.a_stride;
    input.first = first;
    input.count = gemm.m - first < block ? gemm.m - first : block;
    for (std::size_t r = 0; !in_place && r < input.count; ++r) {
      convert<Isa>(a + r * gemm.a_stride, gemm.k, flip<Isa>(gemm.a_signed), converted + r * stride);
    }
    if (in_place) {
      point_at_rows(reinterpret_cast<const Lhs*>(a), gemm.a_stride, input.count, rows);
    } else {
      point_at_rows<Lhs>(converted, stride, input.count, rows);
    }
    for (std::size_t r = 0; gemm.b_zero != nullptr && r < input.count; ++r) {
      row_sums[r] = centered_sum(gemm, first + r);
    }
    run_rows<Isa>(gemm, input);
  }
}

}  // namespace
}  // namespace octavo
