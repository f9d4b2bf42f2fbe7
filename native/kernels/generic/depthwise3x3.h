// 3 x 3 depthwise convolution, channels last, for instruction sets with InterleavesChannels.
//
// A block is one register of channels. Its accumulators sum three columns: the same channels of three adjacent pixels.
// The three rows of a column are loaded from the image and interleaved into four bytes per channel, so that one
// instruction accumulates them. A column is reused by every output that it contributes to: those of adjacent pixels,
// and with stride 1 two output rows, whose weights occupy the first or the last three of the four bytes.
#pragma once

#include "kernels/generic/lhs.h"
#include "kernels/generic/relu_epilogue.h"
#include "kernels/generic/unsigned.h"

namespace octavo {
namespace {

inline bool is_3x3(const Stride2d& w) {
  return w.kernel_h == 3 && w.kernel_w == 3 && w.dilation_h == 1 && w.dilation_w == 1 && w.stride_h == w.stride_w &&
         w.stride_w <= 2;
}

// Constants of a phase in register layout: weights of each column for the upper and the lower output row.
template <class Isa>
struct alignas(kLine) Phase3x3 {
  static constexpr std::size_t kWidth = Isa::kChannels;
  std::int8_t weights[4][3][2][kWidth];
  std::int32_t start[kWidth];
  float multiplier[kWidth];
  float offset[kWidth];
  bool rectified;

  // For kWidth channels from `first` on; the first channel follows the last.
  void prepare(const Depthwise& d, std::size_t first) {
    const std::size_t all = d.image.channels, begin = first % all;
    const Gemm& p = d.product;
    if (begin + kWidth <= all) {
      return fill(d.weights + begin, all, p.bias + begin, p.b_sums + begin, p.multiplier + begin, p);
    }
    std::int8_t w[9 * kWidth];
    std::int32_t bias[kWidth], sums[kWidth];
    float factors[kWidth];
    for (std::size_t i = 0, c = begin, count = 0; i < kWidth; i += count, c = 0) {
      count = all - c < kWidth - i ? all - c : kWidth - i;
      for (std::size_t j = 0; j < 9; ++j) std::memcpy(w + j * kWidth + i, d.weights + j * all + c, count);
      std::memcpy(bias + i, p.bias + c, count * sizeof *bias);
      std::memcpy(sums + i, p.b_sums + c, count * sizeof *sums);
      std::memcpy(factors + i, p.multiplier + c, count * sizeof *factors);
    }
    fill(w, kWidth, bias, sums, factors, p);
  }

 private:
  // From the constants of the block's channels; rows of weights are `stride` bytes apart.
  __attribute__((noinline)) void fill(const std::int8_t* w, std::size_t stride, const std::int32_t* bias,
                                      const std::int32_t* sums, const float* factors, const Gemm& product) {
    fill_weights(w, stride);
    fill_rest(bias, sums, factors, product);
  }

  void fill_weights(const std::int8_t* w, std::size_t stride) {
    each<3>([&](auto x) OCTAVO_LAMBDA {
      const auto row = [&](std::size_t y) OCTAVO_LAMBDA {
        return Isa::bytes(reinterpret_cast<const std::uint8_t*>(w) + (y * 3 + x) * stride);
      };
      const auto none = Isa::all(0);
      typename Isa::Accumulator upper[4], lower[4];
      Isa::interleave(row(0), row(1), row(2), none, upper);
      Isa::interleave(none, row(0), row(1), row(2), lower);
      each<4>([&](auto k) OCTAVO_LAMBDA {
        std::memcpy(weights[k][x][0], &upper[k], kWidth);
        std::memcpy(weights[k][x][1], &lower[k], kWidth);
      });
    });
  }

  void fill_rest(const std::int32_t* bias, const std::int32_t* sums, const float* factors, const Gemm& product) {
    const std::int32_t zero_point = product.a_zero + shift<Unsigned>(product.a_signed);
    std::int32_t begin[kWidth];
    for (std::size_t i = 0; i < kWidth; ++i) begin[i] = bias[i] - zero_point * sums[i];
    rectified = fuses_relu(product) && !product.a_signed && can_fuse_relu(9, begin, factors, kWidth);
    const std::int32_t more = rectified ? kReluBits : 0;
    for (std::size_t i = 0; i < kWidth; ++i) begin[i] += more;
    for (std::size_t i = 0; i < kWidth; i += 4) {
      const std::size_t c = Isa::channel(i);
      std::memcpy(start + i, begin + c, 4 * sizeof *begin);
      std::memcpy(multiplier + i, factors + c, 4 * sizeof *factors);
    }
    for (std::size_t i = 0; i < kWidth; ++i) offset[i] = kReluOffset * multiplier[i];
  }
};

// The blocks of a phase in one or two output rows, and the image lines that they read.
struct Row3x3 {
  const std::uint8_t* lines[4];  // image lines, or lines of padding
  std::ptrdiff_t length;         // bytes per line
  std::ptrdiff_t first;          // offset of the first block in its line; negative in the padding
  std::ptrdiff_t pixel, step;    // distance to the next pixel and to the next block
  std::uint8_t padding, flip;

  std::uint8_t* c;
  std::size_t c_row, c_step;  // distance in c to the second row (0 if there is none) and to the next block
  std::size_t count;          // blocks
  std::size_t channels;       // from the start of the first block to the end of its run
  std::size_t used;           // how much `channels` decreases from block to block
};

// Computes two blocks at a time; each shares all but New of its three columns with the previous one.
template <class Isa, class Epilogue, int Rows, int New>
struct Blocks3x3 {
  using Sums = typename Isa::Accumulator;
  static constexpr int kShared = 3 - New, kResults = 2 * Rows;
  static constexpr std::ptrdiff_t kWidth = Isa::kChannels, kQuarter = kWidth / 4;
  const Row3x3 row;
  const Phase3x3<Isa>& phase;
  const Epilogue finish;
  const Sums padding = Isa::all_bytes(row.padding);
  std::ptrdiff_t at = row.first;
  std::uint8_t* c = row.c;
  std::size_t channels = row.channels;

  OCTAVO_INLINE void load(std::ptrdiff_t from, Sums (&column)[4]) const {
    Sums lines[4];
    if (from >= 0 && from <= row.length - kWidth) [[likely]] {
      each<Rows + 2>([&](auto r) OCTAVO_LAMBDA { lines[r] = Isa::bytes(row.lines[r] + from); });
    } else {
      asm("" : "+r"(from));  // keeps the compiler from carrying loop invariants in registers
      const std::ptrdiff_t begin = from < 0 ? -from : 0, end = row.length - from;
      each<Rows + 2>([&](auto r) OCTAVO_LAMBDA { lines[r] = Isa::bytes_of(padding, row.lines[r] + from, begin, end); });
    }
    if constexpr (Epilogue::kFlips) {
      each<Rows + 2>([&](auto r) OCTAVO_LAMBDA { lines[r] = Isa::flip(lines[r], row.flip); });
    }
    Isa::interleave(lines[0], lines[1], lines[2], lines[Rows + 1], column);
  }

  // The next two blocks, or the last one. `before` holds the columns shared with the previous blocks, `behind` receives
  // those shared with the next ones.
  OCTAVO_INLINE void run(bool two, const Sums (&before)[3][4], Sums (&behind)[3][4]) {
    Sums columns[2 * New + kShared][4], q[kResults][4];
    each<kShared * 4>([&](auto i) OCTAVO_LAMBDA { columns[i / 4][i % 4] = before[i / 4][i % 4]; });
    each<2 * New>([&](auto x) OCTAVO_LAMBDA {
      load(at + x / New * row.step + (x % New + kShared) * row.pixel, columns[x + kShared]);
    });
    each<kShared * 4>([&](auto i) OCTAVO_LAMBDA { behind[i / 4][i % 4] = columns[2 * New + i / 4][i % 4]; });
    each<4>([&](auto k) OCTAVO_LAMBDA {
      Sums sums[kResults];
      each<kResults>([&](auto i) OCTAVO_LAMBDA { sums[i] = Isa::load(phase.start + k * kQuarter); });
      each<3 * Rows>([&](auto i) OCTAVO_LAMBDA {
        constexpr int x = i / Rows, r = i % Rows;
        const auto w = Isa::pin(Isa::rhs(phase.weights[k][x][r], 0, 0));
        sums[r] = Isa::dot(sums[r], columns[x][k], w);
        sums[Rows + r] = Isa::dot(sums[Rows + r], columns[New + x][k], w);
      });
      const auto multiplier = Isa::pin(Isa::load(phase.multiplier + k * kQuarter));
      const auto offset = Isa::pin(Isa::load(phase.offset + k * kQuarter));
      each<kResults>([&](auto i) OCTAVO_LAMBDA { q[i][k] = finish.rounded(sums[i], multiplier, offset); });
    });
    // The result of a missing second block or row is stored in the place of the first, whose result then overwrites it.
    const std::size_t step = two ? row.c_step : 0, used = two ? row.used : 0;
    each<kResults>([&](auto i) OCTAVO_LAMBDA {
      constexpr int result = kResults - 1 - i, block = result / Rows;
      Isa::store_bytes(finish.bytes(q[result]), channels - block * used, c + block * step + result % Rows * row.c_row);
    });
    c += step;
    c += step;
    channels -= 2 * used;
    at += 2 * row.step;
  }

  // `even` and `odd` swap roles from call to call, so that columns need not move between registers.
  OCTAVO_INLINE void run() {
    Sums even[3][4], odd[3][4];
    each<kShared>([&](auto x) OCTAVO_LAMBDA { load(at + x * row.pixel, even[x]); });
    for (std::size_t left = row.count;; left -= 2) {
      run(left >= 2, even, odd);
      if (left <= 2) return;
      if constexpr (New == 1 && Epilogue::kLeavesRegisters) {
        left -= 2;
        run(left >= 2, odd, even);
        if (left <= 2) return;
      } else {
        each<kShared * 4>([&](auto i) OCTAVO_LAMBDA { even[i / 4][i % 4] = odd[i / 4][i % 4]; });
      }
    }
  }
};

// Computes the output rows [first, end) of a phase.
template <class Isa, class Epilogue, int Rows, int New>
void run_rows3x3(const Depthwise& d, const std::uint8_t* zeros, const Phase3x3<Isa>& phase, Row3x3 row,
                 std::size_t first, std::size_t end) {
  const Epilogue finish({d.product.zero_point, d.product.low, d.product.high, d.product.low < 0});
  const std::size_t c_row = row.c_row;
  row.c += first * c_row;
  for (std::size_t y = first; y < end; y += Rows, row.c += Rows * c_row) {
    row.c_row = end - y < Rows ? 0 : c_row;
    for (std::size_t i = 0; i < Rows + 2; ++i) {
      const std::size_t line = y * d.window.stride_h + i - d.window.top;
      row.lines[i] = line < d.image.h ? d.image.data + line * static_cast<std::size_t>(row.length) : zeros;
    }
    Blocks3x3<Isa, Epilogue, Rows, New>{row, phase, finish}.run();
  }
}

// Division of the output rows into blocks.
struct Runs3x3 {
  bool whole_rows;  // otherwise each pixel starts a block
  std::size_t phases;
  std::size_t pixels;  // image pixels from block to block of a phase
};

// Phases of whole rows: the number of blocks after which a block starts at the same channel again.
template <class Isa>
Runs3x3 whole_rows3x3(std::size_t channels) {
  constexpr std::size_t kWidth = Isa::kChannels;
  static_assert((kWidth & (kWidth - 1)) == 0);
  const std::size_t power = channels & -channels, divisor = power < kWidth ? power : kWidth;
  return {true, channels / divisor, kWidth / divisor};
}

constexpr std::size_t kMostPhases = 64;  // limit for whole rows

// The faster division, by estimated cycles. A block costs more if it shares fewer columns with the previous one, or if
// only part of its width holds channels.
template <class Isa>
Runs3x3 runs3x3(const Depthwise& d) {
  constexpr std::size_t kWidth = Isa::kChannels, kPrepare = 120, kPart = 8;
  const std::size_t channels = d.image.channels, blocks = (channels + kWidth - 1) / kWidth;
  const Runs3x3 pixels{false, blocks, d.window.stride_w}, rows = whole_rows3x3<Isa>(channels);
  const auto cycles = [&](const Runs3x3& runs) {
    const std::size_t block = 9 + 2 * (runs.pixels < 3 ? runs.pixels : 3);
    const std::size_t row = runs.whole_rows ? (d.out_w * channels / kWidth + 1) * block
                                            : d.out_w * (blocks * block + (channels % kWidth == 0 ? 0 : kPart));
    return d.rows * row + kPrepare * runs.phases;
  };
  return d.window.stride_w == 1 && rows.phases <= kMostPhases && cycles(rows) < cycles(pixels) ? rows : pixels;
}

template <class Isa>
std::size_t depthwise3x3_scratch(const Depthwise& d) {
  const std::size_t channels = d.image.channels, of_pixels = channels / Isa::kChannels + 1;
  const std::size_t of_rows = whole_rows3x3<Isa>(channels).phases;
  const std::size_t most = of_rows > of_pixels && of_rows <= kMostPhases ? of_rows : of_pixels;
  return whole_lines(d.image.w * channels) + most * sizeof(Phase3x3<Isa>);
}

template <class Isa, class Epilogue>
auto* rows3x3(std::size_t stride, std::size_t pixels) {
  if (stride == 2) return run_rows3x3<Isa, Epilogue, 1, 2>;
  if (pixels == 1) return run_rows3x3<Isa, Epilogue, 2, 1>;
  return pixels == 2 ? run_rows3x3<Isa, Epilogue, 2, 2> : run_rows3x3<Isa, Epilogue, 2, 3>;
}

template <class Isa>
void depthwise3x3(const Depthwise& d, void* scratch) {
  constexpr std::size_t kWidth = Isa::kChannels;
  const std::size_t channels = d.image.channels, length = d.image.w * channels, c_row = d.out_w * channels;
  const Runs3x3 runs = runs3x3<Isa>(d);
  auto* zeros = static_cast<std::uint8_t*>(scratch);
  auto* phases = reinterpret_cast<Phase3x3<Isa>*>(zeros + whole_lines(length));
  Row3x3 row{};
  row.length = static_cast<std::ptrdiff_t>(length);
  row.pixel = static_cast<std::ptrdiff_t>(channels);
  row.step = static_cast<std::ptrdiff_t>(runs.pixels * channels);
  row.padding = static_cast<std::uint8_t>(d.product.a_zero);
  row.flip = flip<Unsigned>(d.product.a_signed);
  row.c_row = c_row;
  row.c_step = runs.whole_rows ? runs.phases * kWidth : channels;
  row.used = runs.whole_rows ? row.c_step : 0;
  std::memset(zeros, row.padding, length);
  for (std::size_t p = 0; p < runs.phases; ++p) phases[p].prepare(d, p * kWidth);

  const std::size_t run = runs.whole_rows ? c_row : channels, end = d.first_row + d.rows;
  const std::size_t fitting = kBandBytes / (length * d.window.stride_h + 1), most = fitting < 2 ? 2 : fitting / 2 * 2;
  for (std::size_t y = d.first_row; y < end; y += most) {
    for (std::size_t p = 0, begin = 0; p < runs.phases && begin < run; ++p, begin += kWidth) {
      row.first = static_cast<std::ptrdiff_t>(begin) - static_cast<std::ptrdiff_t>(d.window.left * channels);
      row.c = static_cast<std::uint8_t*>(d.product.c) + begin;
      row.channels = run - begin;
      row.count = runs.whole_rows ? (row.channels + row.c_step - 1) / row.c_step : d.out_w;
      const auto rows = phases[p].rectified ? rows3x3<Isa, typename Isa::FusedRelu>(d.window.stride_w, runs.pixels)
                                            : rows3x3<Isa, typename Isa::Clipped>(d.window.stride_w, runs.pixels);
      rows(d, zeros, phases[p], row, y, end - y < most ? end : y + most);
    }
  }
}

}  // namespace
}  // namespace octavo
