// GEMM of rows of the lhs, addressed by pointers, with all panels of the rhs.
#pragma once

#include "kernels/generic/epilogue.h"
#include "kernels/generic/lhs.h"
#include "kernels/generic/micro_kernel.h"
#include "kernels/generic/relu_epilogue.h"

namespace octavo {
namespace {

// `rows` is followed by kMostRows copies of the last pointer, for tiles with more rows than are left.
template <class Isa>
struct RowsInput {
  const typename Isa::Lhs* const* rows;
  std::size_t count;
  std::size_t first;  // output row of rows[0]
  const std::size_t* segments;
  std::size_t segment_count;
  std::size_t steps;             // per segment, kDepth each
  std::size_t segment_depth;     // k per segment, padded
  const std::int32_t* row_sums;  // null unless b has zero points
  std::int8_t* widened;          // widened_bytes() of memory
};

template <class Isa>
std::size_t widened_bytes(std::size_t k) {
  if constexpr (WidensRhs<Isa>) return panel_bytes(k) * kRhsSize<typename Isa::Widened>;
  return 0;
}
constexpr std::size_t kManyRows = 24;

// Widens one panel of the rhs to input.widened.
template <class Isa>
TileInput<typename Isa::Lhs> widen(const TileInput<typename Isa::Lhs>& from, const RowsInput<Isa>& input) {
  constexpr std::size_t kSize = kRhsSize<typename Isa::Widened>;
  const std::size_t groups = input.segment_count * input.segment_depth / kGroupDepth;
  for (std::size_t i = 0; i < groups; ++i) {
    Isa::widen_rhs(from.b + i * kGroupBytes, input.widened + i * kGroupBytes * kSize);
  }
  auto widened = from;
  widened.b = input.widened;
  widened.skip *= kSize;
  return widened;
}

// Initial accumulators: bias - (zero point of the converted lhs) * (column sum of b).
template <class Isa>
void initial_accumulators(const Gemm& gemm, std::size_t column, std::size_t count, std::int32_t* start) {
  const std::int32_t zero_point = gemm.a_zero + shift<Isa>(gemm.a_signed);
  for (std::size_t i = column; i < column + count; ++i) {
    *start++ = (gemm.bias == nullptr ? 0 : gemm.bias[i]) - zero_point * gemm.b_sums[i];
  }
}

// All rows of a few panels, with the epilogue on accumulators in registers: for k too small to overlap an epilogue, and
// for short epilogues.
template <class Isa, int Panels, bool kTogether, class Out>
void run_direct(const Gemm& gemm, const RowsInput<Isa>& input, std::size_t column, TileInput<typename Isa::Lhs>& from,
                const Out& out) {
  using Height = Heights<Isa, Panels>;
  auto* c = static_cast<std::uint8_t*>(gemm.c) + input.first * gemm.c_stride + column;
  Direct<Isa, Panels, Out, kTogether> to{out, c, gemm.c_stride, column, gemm.n - column};
  from.rows = input.rows;
  whole_tiles<Isa, Height::kFull, Panels>(from, to, input.count);
  const int left = static_cast<int>(input.count % Height::kFull);
  if (left == 0) return;
  from.rows += input.count - left;
  to.c += (input.count - left) * gemm.c_stride;
  Height::choose(left, [&](auto height) OCTAVO_LAMBDA { part_of_tile<Isa, height, Panels>(from, to, left); });
}

// An overlapped epilogue also needs registers, a residual add the most.
template <class Isa, int Panels, class Out>
constexpr int long_rows() {
  if constexpr (HasExactPath<Out> && LimitsResidualRows<Isa>) {
    return Isa::residual_rows(Panels);
  } else {
    return Isa::tile_rows(Panels);
  }
}

// The same for larger k and for any output. Instruction sets with OverlapsEpilogue run the epilogue of a full tile
// during the next tile.
template <class Isa, int Panels, class Reader = Isa, class Out>
void run_long(const Gemm& gemm, const RowsInput<Isa>& input, std::size_t column, TileInput<typename Isa::Lhs>& from,
              const Out& out) {
  if constexpr (WidensRhs<Isa> && std::is_same_v<Reader, Isa> && Panels == 1) {
    if (input.count >= kManyRows) {
      auto widened = widen<Isa>(from, input);
      return run_long<Isa, Panels, typename Isa::Widened>(gemm, input, column, widened, out);
    }
  }
  using Height = Heights<Isa, Panels, long_rows<Isa, Panels, Out>()>;
  constexpr bool kOverlaps = !std::is_same_v<Out, Int32Output<Isa>> && OverlapsEpilogue<Isa>;
  alignas(kLine) std::int32_t sums[2][sums_of(Height::kFull, Panels)];
  Epilogue<Isa, Panels, Out> finish(gemm, out, column, input.row_sums);
  const std::size_t all = input.segment_count * input.steps;
  int now = 0;
  for (std::size_t row = 0; row < input.count; row += Height::kFull) {
    const int high = input.count - row < Height::kFull ? static_cast<int>(input.count - row) : Height::kFull;
    from.rows = input.rows + row;
    if (kOverlaps && high > Height::kHalf) {
      if constexpr (kOverlaps) {
        const std::size_t pieces = finish.pieces(), between = pieces == 0 ? all : (all + pieces - 1) / pieces;
        tile_overlapped<Isa, Height::kFull, Panels>(from, between, finish, sums[now]);
      }
    } else {
      finish.end();
      Height::choose(
          high, [&](auto height) OCTAVO_LAMBDA { tile<Reader, height, Panels>(from, finish.stride(), sums[now]); });
    }
    finish.take(sums[now], input.first + row, row, high);
    now ^= 1;
  }
  finish.end();
}

template <class Isa, int Panels, class How>
void run_packed(const Gemm& gemm, const RowsInput<Isa>& input, std::size_t column, TileInput<typename Isa::Lhs>& from,
                const PackedOutput<Isa, How>& out) {
  if constexpr (Panels <= kGroup / 2) {
    const bool together = gemm.n == Panels * kBlock && gemm.c_stride == gemm.n;
    if (together) return run_direct<Isa, Panels, true>(gemm, input, column, from, out);
  }
  run_direct<Isa, Panels, false>(gemm, input, column, from, out);
}

// Initial accumulators and offsets of the ReLU epilogue, for columns from `first` on; false if it does not apply.
template <int Panels>
bool fuse_relu(const Gemm& gemm, std::size_t first, std::size_t depth, std::int32_t* start, float* offset) {
  constexpr std::size_t kColumns = Panels * kBlock;
  const float* multiplier = gemm.multiplier + first;
  if (!fuses_relu(gemm) || !can_fuse_relu(depth, start, multiplier, kColumns)) return false;
  for (std::size_t i = 0; i < kColumns; ++i) start[i] += kReluBits;
  for (std::size_t i = 0; i < kColumns; ++i) offset[i] = multiplier[i] * kReluOffset;
  return true;
}

template <class Isa, int Panels>
void run_to_bytes(const Gemm& gemm, const RowsInput<Isa>& input, std::size_t column, TileInput<typename Isa::Lhs>& from,
                  std::int32_t* start) {
  if constexpr (PacksBytes<Isa> && Panels <= kGroup) {
    alignas(kLine) float offset[Panels * kBlock];
    const std::size_t depth = input.segment_count * input.steps * Isa::kDepth;
    if (input.row_sums == nullptr && fuse_relu<Panels>(gemm, column, depth, start, offset)) {
      const PackedOutput<Isa, typename Isa::FusedRelu> out(gemm, column, offset);
      return run_packed<Isa, Panels>(gemm, input, column, from, out);
    }
    constexpr std::size_t kLong = 16;
    const bool is_short = Panels <= kGroup / 2 || input.segment_count * input.steps < kLong;
    if (input.row_sums == nullptr && is_short) {
      const PackedOutput<Isa, typename Isa::Clipped> out(gemm);
      return run_packed<Isa, Panels>(gemm, input, column, from, out);
    }
  }
  if constexpr (PacksBytes<Isa>) {
    run_long<Isa, Panels>(gemm, input, column, from, PackedOutput<Isa, typename Isa::Clipped>(gemm));
  } else {
    run_long<Isa, Panels>(gemm, input, column, from, ByteOutput<Isa>(gemm));
  }
}

// Computes all rows of the Panels panels from `panel` on.
template <class Isa, int Panels>
void run_column(const Gemm& gemm, const RowsInput<Isa>& input, std::size_t panel) {
  static_assert(Heights<Isa, Panels>::kFull <= kMostRows);
  const std::size_t stride = panel_bytes(input.segment_count * input.segment_depth), column = panel * kBlock;
  const std::size_t skip = (input.segment_depth - input.steps * Isa::kDepth) * kPanelColumns;
  alignas(kLine) std::int32_t start[Panels * kBlock];
  initial_accumulators<Isa>(gemm, column, Panels * kBlock, start);
  TileInput<typename Isa::Lhs> from{
      input.rows, input.segments, input.segment_count, input.steps, skip, gemm.b + panel * stride, stride, start};
  switch (gemm.output) {
    case Output::kInt32:
      return run_long<Isa, Panels>(gemm, input, column, from, Int32Output<Isa>(gemm));
    case Output::kFloat:
      return run_long<Isa, Panels>(gemm, input, column, from, FloatOutput<Isa>(gemm));
    case Output::kResidual:
      return run_long<Isa, Panels>(gemm, input, column, from, ResidualOutput<Isa>(gemm));
    default:
      return run_to_bytes<Isa, Panels>(gemm, input, column, from, start);
  }
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
    // A single row has few accumulators per panel; more panels at a time keep the multiply units busy.
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

// Steps of a segment of k.
template <class Isa>
constexpr std::size_t steps_of(std::size_t k) {
  return (k + Isa::kDepth - 1) / Isa::kDepth;
}

// Writes the pointers to the rows of a matrix, followed by kMostRows copies of the last one.
template <class Lhs>
void point_at_rows(const Lhs* first, std::size_t stride, std::size_t count, const Lhs** rows) {
  for (std::size_t r = 0; r < count + kMostRows; ++r) rows[r] = first + (r < count ? r : count - 1) * stride;
}

constexpr std::size_t pointer_bytes(std::size_t rows) { return whole_lines((rows + kMostRows) * sizeof(void*)); }

}  // namespace
}  // namespace octavo
