// A band of the image: the lines that a group of output rows reads, copied with their padding and converted to the lhs
// type.
#pragma once

#include "kernels/generic/lhs.h"
#include "kernels/isa/concept.h"

namespace octavo {
namespace {

constexpr std::size_t kBandBytes = 1 << 18;
constexpr std::size_t kBandPositions = 1 << 12;
// Elements that kernels may read past the end of the last segment, because weights are padded or a line is incomplete.
constexpr std::size_t kSlack = 16 * kBlock;

// Rows of the padded image that `rows` output rows read, and columns that `out_w` output columns read.
inline std::size_t seen_rows(const Stride2d& w, std::size_t rows) {
  return (rows - 1) * w.stride_h + (w.kernel_h - 1) * w.dilation_h + 1;
}
inline std::size_t seen_columns(const Stride2d& w, std::size_t out_w) {
  return (out_w - 1) * w.stride_w + (w.kernel_w - 1) * w.dilation_w + 1;
}

// Number of output rows per band, at most `rows`.
template <class Isa>
std::size_t band_rows(const Pixels& image, const Stride2d& w, std::size_t out_w, std::size_t rows) {
  const std::size_t line = seen_columns(w, out_w) * image.channels * sizeof(typename Isa::Lhs) * w.stride_h;
  const std::size_t by_bytes = kBandBytes / (line + 1), by_positions = kBandPositions / out_w;
  const std::size_t fitting = by_bytes < by_positions ? by_bytes : by_positions;
  const std::size_t most = fitting < 1 ? 1 : fitting;
  return rows < most ? rows : most;
}

template <class Isa>
std::size_t band_bytes(const Pixels& image, const Stride2d& w, std::size_t out_w, std::size_t rows) {
  const std::size_t pixels = seen_rows(w, rows) * seen_columns(w, out_w);
  return whole_lines((pixels * image.channels + kSlack) * sizeof(typename Isa::Lhs));
}

// A value of the image, converted to the lhs type.
template <class Isa>
constexpr typename Isa::Lhs lhs_value(std::int32_t value, bool a_signed) {
  return static_cast<typename Isa::Lhs>(value + shift<Isa>(a_signed));
}

// A byte, after XOR with `flip`, converted to the lhs type.
template <class Isa>
OCTAVO_INLINE typename Isa::Lhs lhs_byte(std::uint8_t byte, std::uint8_t flip) {
  const auto flipped = static_cast<std::uint8_t>(byte ^ flip);
  return Isa::kLhsSigned ? static_cast<typename Isa::Lhs>(static_cast<std::int8_t>(flipped))
                         : static_cast<typename Isa::Lhs>(flipped);
}

// Converts planes to interleaved pixels, for a number of channels known at compile time.
template <class Isa, int Channels>
void interleave_planes(const std::uint8_t* from, std::size_t plane, std::size_t count, std::uint8_t flip,
                       typename Isa::Lhs* __restrict to) {
  std::size_t i = 0;
  if constexpr (InterleavesPlanes<Isa, Channels>) {
    for (; i + Isa::kPixels <= count; i += Isa::kPixels) {
      Isa::template interleave_planes<Channels>(from + i, plane, flip, to + i * Channels);
    }
  }
  for (; i < count; ++i) {
    each<Channels>([&](auto c) OCTAVO_LAMBDA { to[i * Channels + c] = lhs_byte<Isa>(from[i + c * plane], flip); });
  }
}

// Copies `count` pixels of a line of the image, the first of them at `from`.
template <class Isa>
void copy_pixels(const Pixels& image, const std::uint8_t* from, std::size_t count, std::uint8_t flip,
                 typename Isa::Lhs* to) {
  if (image.channel == 1 && image.pixel == image.channels) return convert<Isa>(from, count * image.channels, flip, to);
  if (image.pixel == 1 && image.channels == 3) return interleave_planes<Isa, 3>(from, image.channel, count, flip, to);
  for (std::size_t i = 0; i < count; ++i, from += image.pixel) {
    for (std::size_t c = 0; c < image.channels; ++c) *to++ = lhs_byte<Isa>(from[c * image.channel], flip);
  }
}

template <class Lhs>
void fill(Lhs value, std::size_t count, Lhs* to) {
  for (std::size_t i = 0; i < count; ++i) to[i] = value;
}

// Copies the lines [first, first + lines) of the padded image, each of `columns` pixels; line 0 is the first line of
// the padding.
template <class Isa>
void copy_band(const Pixels& image, const Stride2d& w, std::size_t columns, std::uint8_t flip, typename Isa::Lhs zero,
               std::size_t first, std::size_t lines, typename Isa::Lhs* to) {
  const std::size_t length = columns * image.channels;
  const std::size_t beyond = image.w + w.left < columns ? image.w + w.left : columns;
  const std::size_t inside = beyond < w.left ? 0 : beyond - w.left;
  for (std::size_t line = first; line < first + lines; ++line, to += length) {
    if (line < w.top || line >= image.h + w.top || inside == 0) {
      fill(zero, length, to);
      continue;
    }
    // convert may write past the end of the line; what is written next overwrites those elements.
    const std::uint8_t* from = image.data + (line - w.top) * image.w * image.pixel;
    copy_pixels<Isa>(image, from, inside, flip, to + w.left * image.channels);
    fill(zero, w.left * image.channels, to);
    fill(zero, (columns - w.left - inside) * image.channels, to + (w.left + inside) * image.channels);
  }
  fill(zero, kSlack, to);
}

}  // namespace
}  // namespace octavo
