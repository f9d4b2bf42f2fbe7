// Convolution as implicit GEMM: rows of the lhs are windows of the image, read in place. If the image needs padding or
// has another layout, bands of output rows are processed one by one: the part of the image that a band reads is copied
// with its padding, and the copy stays in the L2 cache.
#pragma once

#include "kernels/generic/band.h"
#include "kernels/generic/line.h"
#include "kernels/generic/rows.h"

namespace octavo {
namespace {

template <class Isa>
bool reads_in_place(const Conv& conv) {
  const Stride2d& w = conv.window;
  const Pixels& image = conv.image;
  const bool padded = w.top != 0 || w.left != 0 || seen_columns(conv.window, conv.out_w) > image.w ||
                      (conv.first_row + conv.rows - 1) * w.stride_h + seen_rows(w, 1) > image.h;
  const bool whole_segments = w.kernel_w == 1 || w.dilation_w != 1 || image.pixel == image.channels;
  return readable<Isa>(conv.product.a_signed) && !padded && whole_segments && image.channel == 1 &&
         segment_length(w, image.channels) % Isa::kDepth == 0 && !runs_by_lines<Isa>(conv);
}

template <class Isa>
std::size_t conv_widened(const Conv& conv) {
  return widened_bytes<Isa>(conv_segments(conv.window) * segment_depth(conv.window, conv.image.channels));
}

template <class Isa>
std::size_t conv_scratch(const Conv& conv) {
  const std::size_t rows = band_rows<Isa>(conv.image, conv.window, conv.out_w, conv.rows);
  return conv_widened<Isa>(conv) + whole_lines(conv_segments(conv.window) * sizeof(std::size_t)) +
         pointer_bytes(rows * conv.out_w) + band_bytes<Isa>(conv.image, conv.window, conv.out_w, rows);
}

inline void place_segments(const Stride2d& w, std::size_t pixel, std::size_t columns, std::size_t* segments) {
  const std::size_t in_row = w.dilation_w == 1 ? 1 : w.kernel_w;
  for (std::size_t i = 0; i < w.kernel_h; ++i) {
    for (std::size_t j = 0; j < in_row; ++j) {
      *segments++ = (i * w.dilation_h * columns + j * w.dilation_w) * pixel;
    }
  }
}

// Computes a band of output rows. Windows start `step` elements apart, those of the next output row `line` elements
// later; `rows` has room for the row pointers.
template <class Isa>
void run_band(const Conv& conv, const RowsInput<Isa>& input, const typename Isa::Lhs* band, std::size_t step,
              std::size_t line, const typename Isa::Lhs** rows) {
  if constexpr (HasLineKernel<Isa>) {
    if (runs_by_lines<Isa>(conv)) {
      return conv.product.output == Output::kResidual
                 ? run_lines<Isa, ResidualOutput<Isa>>(conv, input, band, line)
                 : run_lines<Isa, PackedOutput<Isa, typename Isa::Clipped>>(conv, input, band, line);
    }
  }
  const typename Isa::Lhs** to = rows;
  for (std::size_t done = 0; done < input.count; done += conv.out_w, band += line) {
    for (std::size_t x = 0; x < conv.out_w; ++x) *to++ = band + x * step;
  }
  for (int i = 0; i < kMostRows; ++i) to[i] = to[-1];
  run_rows<Isa>(conv.product, input);
}

template <class Isa>
void conv(const Conv& conv, void* scratch) {
  using Lhs = typename Isa::Lhs;
  const bool in_place = reads_in_place<Isa>(conv);
  const std::size_t most = band_rows<Isa>(conv.image, conv.window, conv.out_w, conv.rows),
                    count = conv_segments(conv.window);
  const std::size_t pixel = in_place ? conv.image.pixel : conv.image.channels;
  const std::size_t columns = in_place ? conv.image.w : seen_columns(conv.window, conv.out_w);
  auto* widened = static_cast<std::int8_t*>(scratch);
  auto* segments = reinterpret_cast<std::size_t*>(widened + conv_widened<Isa>(conv));
  auto* rows =
      reinterpret_cast<const Lhs**>(reinterpret_cast<char*>(segments) + whole_lines(count * sizeof(std::size_t)));
  auto* band = reinterpret_cast<Lhs*>(reinterpret_cast<char*>(rows) + pointer_bytes(most * conv.out_w));
  place_segments(conv.window, pixel, columns, segments);
  RowsInput<Isa> input{rows,
                       0,
                       0,
                       segments,
                       count,
                       steps_of<Isa>(segment_length(conv.window, conv.image.channels)),
                       segment_depth(conv.window, conv.image.channels),
                       nullptr,
                       widened};
  each_part(conv.rows, most, [&](std::size_t done, int high) {
    const std::size_t first = conv.first_row + done, line = first * conv.window.stride_h;
    const Lhs* from = band;
    if (in_place) {
      from = reinterpret_cast<const Lhs*>(conv.image.data) + line * conv.image.w * conv.image.pixel;
    } else {
      const auto zero = lhs_value<Isa>(conv.product.a_zero, conv.product.a_signed);
      copy_band<Isa>(conv.image, conv.window, columns, flip<Isa>(conv.product.a_signed), zero, line,
                     seen_rows(conv.window, static_cast<std::size_t>(high)), band);
    }
    input.first = first * conv.out_w;
    input.count = static_cast<std::size_t>(high) * conv.out_w;
    run_band<Isa>(conv, input, from, conv.window.stride_w * pixel, conv.window.stride_h * columns * pixel, rows);
  });
}

}  // namespace
}  // namespace octavo
