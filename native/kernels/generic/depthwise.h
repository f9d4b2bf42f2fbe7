// Depthwise convolution, channels last. With stride 1, an output row is one contiguous run of all channels of all
// pixels, in which each kernel position has a fixed offset; runs are divided into blocks regardless of pixel
// boundaries, so that registers are full even with few channels. With larger strides, each pixel is a run. Blocks that
// start at the same channel share their weights and form a phase.
#pragma once

#include "kernels/generic/band.h"
#include "kernels/generic/depthwise3x3.h"
#include "kernels/generic/output.h"
#include "kernels/generic/unsigned.h"
#include "kernels/isa/concept.h"

namespace octavo {
namespace {

// Offsets of the kernel positions from the first one.
struct Taps {
  const std::size_t* offsets;
  std::size_t count;  // rounded up to a multiple of four; the added positions repeat the first offset
};

// Sixteen channels at a time, one kernel position at a time.
template <class Isa>
struct PlainBlock {
  static constexpr std::size_t kWidth = kBlock;
  static constexpr std::size_t channel(std::size_t i) { return i; }
  static void prepare(const std::uint8_t* rows, std::size_t positions, std::uint8_t* weights) {
    std::memcpy(weights, rows, positions * kWidth);
  }

  template <class Out>
  static OCTAVO_INLINE void run(const std::uint8_t* from, const Taps& taps, const std::uint8_t* weights,
                                const std::int32_t* start, const Out& out, std::size_t channels,
                                typename Out::Element* c) {
    typename Isa::Ints sums[kRegisters<Isa>];
    each<kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA { sums[r] = Isa::load(start + r * Isa::kLanes); });
    for (std::size_t i = 0; i < taps.count; ++i) {
      const auto* weight = reinterpret_cast<const std::int8_t*>(weights) + i * kWidth;
      each<kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA {
        const auto x = Isa::widen(from + taps.offsets[i] + r * Isa::kLanes), w = Isa::widen(weight + r * Isa::kLanes);
        sums[r] = Isa::add(sums[r], Isa::multiply(x, w));
      });
    }
    out.template store<1>(sums, 0, channels, c);
  }
};

// Isa::kChannels channels, four kernel positions at a time.
template <class Isa>
struct InterleavedBlock {
  static constexpr std::size_t kWidth = Isa::kChannels;
  static constexpr std::size_t channel(std::size_t i) { return Isa::channel(i); }
  static void prepare(const std::uint8_t* rows, std::size_t positions, std::uint8_t* weights) {
    for (std::size_t i = 0; i < positions; i += 4, rows += 4 * kWidth, weights += 4 * kWidth) {
      typename Isa::Accumulator w[4];
      Isa::interleave(Isa::bytes(rows), Isa::bytes(rows + kWidth), Isa::bytes(rows + 2 * kWidth),
                      Isa::bytes(rows + 3 * kWidth), w);
      std::memcpy(weights, w, sizeof w);
    }
  }

  template <class Out>
  static OCTAVO_INLINE void run(const std::uint8_t* from, const Taps& taps, const std::uint8_t* weights,
                                const std::int32_t* start, const Out& out, std::size_t channels, std::uint8_t* c) {
    typename Isa::Accumulator sums[4];
    each<4>([&](auto k) OCTAVO_LAMBDA { sums[k] = Isa::load(start + k * (kWidth / 4)); });
    for (std::size_t i = 0; i < taps.count; i += 4, weights += 4 * kWidth) {
      add(sums, weights, Isa::bytes(from + taps.offsets[i]), Isa::bytes(from + taps.offsets[i + 1]),
          Isa::bytes(from + taps.offsets[i + 2]), Isa::bytes(from + taps.offsets[i + 3]));
    }
    const typename Isa::Clipped clipped(out.clip);
    typename Isa::Accumulator q[4];
    each<4>([&](auto k) OCTAVO_LAMBDA {
      q[k] = clipped.rounded(sums[k], Isa::load(out.multiplier + k * (kWidth / 4)), Isa::all(0.0f));
    });
    Isa::store_bytes(clipped.bytes(q), channels, c);
  }

 private:
  using Bytes = typename Isa::Accumulator;
  static OCTAVO_INLINE void add(Bytes (&sums)[4], const std::uint8_t* weights, Bytes a, Bytes b, Bytes c, Bytes d) {
    Bytes x[4];
    Isa::interleave(a, b, c, d, x);
    each<4>([&](auto k) OCTAVO_LAMBDA {
      sums[k] = Isa::dot(sums[k], x[k], Isa::rhs(reinterpret_cast<const std::int8_t*>(weights + k * kWidth), 0, 0));
    });
  }
};

constexpr std::size_t kMostWidth = 64;

inline std::size_t positions_of(const Stride2d& w) { return (w.kernel_h * w.kernel_w + 3) / 4 * 4; }

template <class Isa>
std::size_t depthwise_scratch(const Depthwise& d) {
  if constexpr (InterleavesChannels<Isa>) {
    if (d.product.output == Output::kBytes && is_3x3(d.window)) return depthwise3x3_scratch<Isa>(d);
  }
  const std::size_t rows = band_rows<Unsigned>(d.image, d.window, d.out_w, d.rows), positions = positions_of(d.window);
  return whole_lines(positions * sizeof(std::size_t)) + 2 * positions * kMostWidth +
         band_bytes<Unsigned>(d.image, d.window, d.out_w, rows);
}

// Constants of a phase: weights, initial accumulators and multipliers of its channels.
template <class Block>
struct Phase {
  std::uint8_t* rows;     // weights, Block::kWidth bytes for each kernel position
  std::uint8_t* weights;  // the same in the order in which the block reads them
  alignas(kLine) std::int32_t start[Block::kWidth];
  alignas(kLine) float multiplier[Block::kWidth];

  void prepare(const Depthwise& d, std::size_t first) {
    const std::size_t all = d.image.channels, positions = d.window.kernel_h * d.window.kernel_w;
    const std::int32_t zero_point = d.product.a_zero + shift<Unsigned>(d.product.a_signed);
    std::memset(rows, 0, positions_of(d.window) * Block::kWidth);
    for (std::size_t i = 0; i < Block::kWidth; ++i) {
      const std::size_t c = (first + Block::channel(i)) % all;
      start[i] = d.product.bias[c] - zero_point * d.product.b_sums[c];
      multiplier[i] = d.product.multiplier[c];
    }
    for (std::size_t i = 0, c = first % all, count = 0; i < Block::kWidth; i += count, c = 0) {
      count = all - c < Block::kWidth - i ? all - c : Block::kWidth - i;
      for (std::size_t p = 0; p < positions; ++p) {
        std::memcpy(rows + p * Block::kWidth + i, d.weights + p * all + c, count);
      }
    }
    Block::prepare(rows, positions_of(d.window), weights);
  }
};

// Division of the output rows into runs.
struct Runs {
  std::size_t count;   // runs per output row
  std::size_t length;  // elements per run
  std::size_t step;    // elements from run to run in the band
  std::size_t phases;
};

// Whole rows or single pixels as runs, whichever is faster: preparing a phase costs about as much as kPrepare blocks.
template <class Block>
Runs runs_of(const Depthwise& d) {
  constexpr std::size_t kPrepare = 24;
  const std::size_t channels = d.image.channels, blocks = (channels + Block::kWidth - 1) / Block::kWidth;
  std::size_t phases = 1;
  while (phases * Block::kWidth % channels != 0) ++phases;
  const std::size_t by_pixel = d.rows * d.out_w * blocks + kPrepare * blocks;
  const std::size_t by_row = d.rows * (d.out_w * channels / Block::kWidth + 1) + kPrepare * phases;
  if (d.window.stride_w == 1 && by_row < by_pixel) return {1, d.out_w * channels, 0, phases};
  return {d.out_w, channels, d.window.stride_w * channels, blocks};
}

template <class Isa, class Block, template <class> class Out>
void run_depthwise(const Depthwise& d, void* scratch) {
  using Element = typename Out<Isa>::Element;
  const std::size_t most = band_rows<Unsigned>(d.image, d.window, d.out_w, d.rows);
  const std::size_t positions = positions_of(d.window), columns = seen_columns(d.window, d.out_w);
  auto* offsets = static_cast<std::size_t*>(scratch);
  Phase<Block> phase;
  phase.rows = static_cast<std::uint8_t*>(scratch) + whole_lines(positions * sizeof(std::size_t));
  phase.weights = phase.rows + positions * kMostWidth;
  std::uint8_t* band = phase.weights + positions * kMostWidth;
  for (std::size_t i = 0; i < positions; ++i) {
    const std::size_t p = i < d.window.kernel_h * d.window.kernel_w ? i : 0;
    const std::size_t y = p / d.window.kernel_w * d.window.dilation_h, x = p % d.window.kernel_w * d.window.dilation_w;
    offsets[i] = (y * columns + x) * d.image.channels;
  }
  const Taps taps{offsets, positions};
  const Runs runs = runs_of<Block>(d);
  const std::size_t advance = runs.phases * Block::kWidth;
  const std::size_t line = columns * d.image.channels, row_length = d.out_w * d.image.channels;
  Out<Isa> out(d.product);
  out.multiplier = phase.multiplier;
  each_part(d.rows, most, [&](std::size_t done, int high) {
    const std::size_t first = d.first_row + done, rows = static_cast<std::size_t>(high);
    copy_band<Unsigned>(d.image, d.window, columns, flip<Unsigned>(d.product.a_signed),
                        lhs_value<Unsigned>(d.product.a_zero, d.product.a_signed), first * d.window.stride_h,
                        seen_rows(d.window, rows), band);
    for (std::size_t p = 0; p < runs.phases; ++p) {
      phase.prepare(d, p * Block::kWidth);
      for (std::size_t y = 0; y < rows; ++y) {
        const std::uint8_t* from = band + y * d.window.stride_h * line + p * Block::kWidth;
        Element* c = static_cast<Element*>(d.product.c) + (first + y) * row_length + p * Block::kWidth;
        for (std::size_t run = 0; run < runs.count; ++run, from += runs.step, c += runs.length) {
          for (std::size_t i = p * Block::kWidth, at = 0; i < runs.length; i += advance, at += advance) {
            Block::run(from + at, taps, phase.weights, phase.start, out, runs.length - i, c + at);
          }
        }
      }
    }
  });
}

template <class Isa>
void depthwise(const Depthwise& d, void* scratch) {
  if (d.product.output == Output::kFloat) return run_depthwise<Isa, PlainBlock<Isa>, FloatOutput>(d, scratch);
  if constexpr (InterleavesChannels<Isa>) {
    if (is_3x3(d.window)) return depthwise3x3<Isa>(d, scratch);
    run_depthwise<Isa, InterleavedBlock<Isa>, ByteOutput>(d, scratch);
  } else {
    run_depthwise<Isa, PlainBlock<Isa>, ByteOutput>(d, scratch);
  }
}

}  // namespace
}  // namespace octavo
