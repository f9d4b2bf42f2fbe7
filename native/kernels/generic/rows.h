// Rows of a, wherever they lie, times all panels of b.
#pragma once

#include "kernels/generic/finish.h"
#include "kernels/generic/left.h"
#include "kernels/generic/tile.h"

namespace octavo {
namespace {

// `rows` is followed by kMostRows copies of its last pointer, for tiles that are higher than the rows left.
template <class Isa>
struct RowsInput {
  const typename Isa::Left* const* rows;
  std::size_t count;
  std::size_t first;  // where in the output the first of them goes
  const std::size_t* segments;
  std::size_t segment_count;
  std::size_t steps;             // of kDepth in each segment
  std::size_t segment_depth;     // with the zeros that fill it up
  const std::int32_t* row_sums;  // null unless b has zero points
};

// bias - (zero point of what the tiles read as a) * (sum of b's column).
template <class Isa>
void start_sums(const Gemm& gemm, std::size_t column, std::size_t count, std::int32_t* start) {
  const std::int32_t zero_point = gemm.a_zero + shift<Isa>(gemm.a_signed);
  for (std::size_t i = column; i < column + count; ++i) {
    *start++ = (gemm.bias == nullptr ? 0 : gemm.bias[i]) - zero_point * gemm.b_sums[i];
  }
}

template <class Isa>
constexpr bool kFinishesInRegisters = requires { Isa::kStoresRows; };

// Panels from `panel` on.
template <class Isa, int Panels>
void run_column(const Gemm& gemm, const RowsInput<Isa>& input, std::size_t panel) {
  using Height = Heights<Isa, Panels>;
  static_assert(Height::kFull <= kMostRows);
  const std::size_t stride = panel_bytes(input.segment_count * input.segment_depth), column = panel * kBlock;
  alignas(kLine) std::int32_t start[Panels * kBlock], sums[Height::kFull * Panels * kBlock];
  start_sums<Isa>(gemm, column, Panels * kBlock, start);
  const std::size_t skip = (input.segment_depth - input.steps * Isa::kDepth) * kPanelColumns;
  TileInput<Isa> from{input.rows, input.segments, input.segment_count, input.steps, skip, gemm.b + panel * stride,
                      stride,     start};
  if constexpr (kFinishesInRegisters<Isa> && Panels <= kGroup) {
    if (gemm.output == Output::kBytes && input.row_sums == nullptr) {
      const ByteOutput<Isa> out(gemm);
      auto* c = static_cast<std::uint8_t*>(gemm.c) + input.first * gemm.c_stride + column;
      TileOutput to{nullptr, &out, nullptr, gemm.c_stride, column, gemm.n - column, 0};
      return each_part(input.count, Height::kFull, [&](std::size_t row, int high) {
        from.rows = input.rows + row;
        to.c = c + row * gemm.c_stride;
        to.rows = high;
        Height::template tile_of<ByteOutput<Isa>>(high)(from, to);
      });
    }
  }
  const Finish<Isa> finish = finish_of<Isa, Panels>(gemm.output);
  TileOutput to{sums, nullptr, nullptr, 0, 0, 0, 0};
  each_part(input.count, Height::kFull, [&](std::size_t row, int high) {
    from.rows = input.rows + row;
    Height::template tile_of<void>(high)(from, to);
    finish(gemm, {input.first + row, column, high}, sums, input.row_sums == nullptr ? nullptr : input.row_sums + row);
  });
}

template <class Isa, int Most>
void run_panels(const Gemm& gemm, const RowsInput<Isa>& input, std::size_t panel, int count) {
  if constexpr (Most > 1) {
    if (count < Most) return run_panels<Isa, Most - 1>(gemm, input, panel, count);
  }
  run_column<Isa, Most>(gemm, input, panel);
}

template <class Isa>
void run_rows(const Gemm& gemm, const RowsInput<Isa>& input) {
  const std::size_t all = panels(gemm.n);
  std::size_t panel = 0;
  if (input.count == 1 && Isa::kVectorPanels > Isa::kTilePanels) {
    // A vector: few sums a panel, so more panels keep the multipliers busy.
    for (; panel + Isa::kVectorPanels <= all; panel += Isa::kVectorPanels) {
      run_column<Isa, Isa::kVectorPanels>(gemm, input, panel);
    }
  }
  for (std::size_t chunks = (all - panel + Isa::kTilePanels - 1) / Isa::kTilePanels; panel < all; --chunks) {
    const std::size_t wide = (all - panel + chunks - 1) / chunks;
    run_panels<Isa, Isa::kTilePanels>(gemm, input, panel, static_cast<int>(wide));
    panel += wide;
  }
}

// Of a segment of so many k.
template <class Isa>
constexpr std::size_t steps_of(std::size_t k) {
  return (k + Isa::kDepth - 1) / Isa::kDepth;
}

// The pointers to rows of a matrix, and the copies of the last that follow them.
template <class Left>
void point_at_rows(const Left* first, std::size_t stride, std::size_t count, const Left** rows) {
  for (std::size_t r = 0; r < count + kMostRows; ++r) rows[r] = first + (r < count ? r : count - 1) * stride;
}

constexpr std::size_t pointer_bytes(std::size_t rows) { return whole_lines((rows + kMostRows) * sizeof(void*)); }

}  // namespace
}  // namespace octavo
