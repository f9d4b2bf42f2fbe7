// 3-wide convolution from sixteen channels to at most sixteen, along an output line: each loaded pixel is used by all
// three windows that contain it. With so few channels, GEMM would load as often as it multiplies.
#pragma once

#include "kernels/generic/epilogue.h"
#include "kernels/generic/rows.h"

namespace octavo {
namespace {

template <class Isa>
bool runs_by_lines(const Conv& conv) {
  const Stride2d& w = conv.window;
  const bool bytes = conv.product.output == Output::kBytes || conv.product.output == Output::kResidual;
  return HasLineKernel<Isa> && bytes && w.kernel_w == 3 && w.stride_w == 1 && w.dilation_w == 1 &&
         conv.image.channels == kBlock && conv.product.n <= kBlock;
}

// Accumulates kLineRows output positions; pieces of `background` run in between, as in tile_overlapped.
template <class Isa, class Background>
__attribute__((noinline)) void line_tile(const TileInput<typename Isa::Lhs>& input, Background& background,
                                         std::int32_t* sums) {
  constexpr int kRows = Isa::kLineRows, kTaps = 3, kSteps = kBlock / Isa::kDepth;
  typename Isa::Accumulator acc[kRows];
  each<kRows>([&](auto r) OCTAVO_LAMBDA { acc[r] = Isa::start(input.start, 0); });
  const std::size_t pieces = background.pieces(), together = (pieces + input.segment_count - 1) / input.segment_count;
  const std::int8_t* b = input.b;
  std::size_t piece = 0;
  for (std::size_t segment = 0; segment < input.segment_count; ++segment, b += input.b_stride) {
    for (std::size_t i = 0; i < together && piece < pieces; ++i) background.run(piece++);
    const typename Isa::Lhs* a = input.rows[0] + input.segments[segment];
    each<kSteps>([&](auto step) OCTAVO_LAMBDA {
      typename Isa::RhsRegister rhs[kTaps];
      each<kTaps>([&](auto t) OCTAVO_LAMBDA { rhs[t] = Isa::rhs(b + (t * kSteps + step) * kGroupBytes, 0, 0); });
      each<kRows + kTaps - 1>([&](auto x) OCTAVO_LAMBDA {
        const auto lhs = Isa::lhs(&a, x * kBlock + step * Isa::kDepth, 0);
        each<kTaps>([&](auto t) OCTAVO_LAMBDA {
          if constexpr (x >= t && x - t < kRows) acc[x - t] = Isa::dot(acc[x - t], lhs, rhs[t]);
        });
      });
    });
  }
  each<kRows>([&](auto r) OCTAVO_LAMBDA { Isa::store_accumulators(sums + r * background.stride(), kBlock, &acc[r]); });
}

// Computes output lines; the first window of the first line is at `band`, that of each next line `line` elements later.
template <class Isa, class Out>
void run_lines(const Conv& conv, const RowsInput<Isa>& input, const typename Isa::Lhs* band, std::size_t line) {
  alignas(kLine) std::int32_t start[kBlock];
  alignas(kLine) std::int32_t sums[2][sums_of(Isa::kLineRows, 1)];
  initial_accumulators<Isa>(conv.product, 0, kBlock, start);
  const std::size_t segment = panel_bytes(input.segment_depth);
  TileInput<typename Isa::Lhs> from{nullptr, input.segments, input.segment_count, input.steps, 0, conv.product.b,
                                    segment, start};
  Epilogue<Isa, 1, Out> finish(conv.product, Out(conv.product), 0, nullptr);
  int now = 0;
  for (std::size_t row = 0; row < input.count; row += conv.out_w, band += line) {
    each_part(conv.out_w, Isa::kLineRows, [&](std::size_t x, int high) {
      const typename Isa::Lhs* first = band + x * kBlock;
      from.rows = &first;
      line_tile<Isa>(from, finish, sums[now]);
      finish.take(sums[now], input.first + row + x, 0, high);
      now ^= 1;
    });
  }
  finish.end();
}

}  // namespace
}  // namespace octavo
