// A window that moves over the spatial axes of (N, H, W, C); (N, L, C) counts as (N, 1, L, C).
#pragma once

#include "kernels/kernels.h"
#include "runtime/op.h"

namespace octavo {

struct Image {
  std::int64_t n, c, h, w;
};

struct Window {
  std::int64_t kernel_h, kernel_w, stride_h, stride_w, top, left, bottom, right, dilation_h, dilation_w;
};

inline bool is_image(const Tensor& tensor) { return tensor.rank == 3 || tensor.rank == 4; }

inline Image image_of(const Tensor& t) {
  return t.rank == 3 ? Image{t.dims[0], t.dims[2], 1, t.dims[1]} : Image{t.dims[0], t.dims[3], t.dims[1], t.dims[2]};
}

// The same of (N, C, H, W).
inline Image planar_image_of(const Tensor& t) {
  return t.rank == 3 ? Image{t.dims[0], t.dims[1], 1, t.dims[2]} : Image{t.dims[0], t.dims[1], t.dims[2], t.dims[3]};
}

// The window of an operator, for a kernel of this shape.
template <const schema::Operator& kSchema>
Window window_of(const View& view, std::int64_t kernel_h, std::int64_t kernel_w) {
  return {kernel_h,
          kernel_w,
          view.attribute(kSchema["stride_h"]),
          view.attribute(kSchema["stride_w"]),
          view.attribute(kSchema["pad_top"]),
          view.attribute(kSchema["pad_left"]),
          view.attribute(kSchema["pad_bottom"]),
          view.attribute(kSchema["pad_right"]),
          view.attribute(kSchema["dilation_h"]),
          view.attribute(kSchema["dilation_w"])};
}

// The same where the kernel's shape is among the attributes.
template <const schema::Operator& kSchema>
Window window_of(const View& view) {
  return window_of<kSchema>(view, view.attribute(kSchema["kernel_h"]), view.attribute(kSchema["kernel_w"]));
}

inline constexpr std::int64_t kMaxPositions = 1 << 24;

// The number of window positions along an axis of length `in`; 0 if a number is out of bounds.
inline std::int64_t window_positions(std::int64_t in, std::int64_t size, std::int64_t stride, std::int64_t dilation,
                                     std::int64_t begin, std::int64_t end) {
  for (const std::int64_t positive : {size, stride, dilation}) {
    if (positive < 1 || positive > kMaxPositions) return 0;
  }
  if (begin < 0 || begin > kMaxPositions || end < 0 || end > kMaxPositions) return 0;
  const std::int64_t room = in + begin + end - ((size - 1) * dilation + 1);
  return room < 0 ? 0 : room / stride + 1;
}

// Whether the window positions match the shape of the output, both with `in.n` samples. Padding takes no bytes in the
// bundle, so the work needs a bound besides the tensor sizes; it also keeps products of these numbers within 64 bits.
inline bool fits(const Window& w, const Image& in, const Image& out) {
  constexpr double kMostSteps = 0x1p44;
  const double area = static_cast<double>(w.kernel_h) * static_cast<double>(w.kernel_w);
  const double results = static_cast<double>(out.n * out.c) * static_cast<double>(out.h * out.w);
  return results * area * static_cast<double>(in.c) <= kMostSteps && out.n == in.n &&
         window_positions(in.h, w.kernel_h, w.stride_h, w.dilation_h, w.top, w.bottom) == out.h &&
         window_positions(in.w, w.kernel_w, w.stride_w, w.dilation_w, w.left, w.right) == out.w;
}

inline Stride2d stride_of(const Window& w) {
  const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  return {size(w.kernel_h),   size(w.kernel_w),   size(w.stride_h), size(w.stride_w),
          size(w.dilation_h), size(w.dilation_w), size(w.top),      size(w.left)};
}

// Whether the image fits in memory with its padding.
inline bool is_padded_image(const Window& w, const Image& in) {
  const auto most = static_cast<std::int64_t>(kMaxBytes);
  const std::int64_t columns = in.w + w.left + w.right, rows = in.h + w.top + w.bottom;
  return columns <= most / in.c && rows <= most / (columns * in.c);
}

// The kernel positions [first, last) that lie inside an axis of `in`, for a window that begins at `start`; none if
// they are equal.
struct Range {
  std::int64_t first, last;
};

inline Range inside(std::int64_t start, std::int64_t size, std::int64_t dilation, std::int64_t in) {
  if (start >= 0 && start + (size - 1) * dilation < in) return {0, size};  // the usual case, without divisions
  const std::int64_t first = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
  const std::int64_t beyond = start >= in ? 0 : (in - start + dilation - 1) / dilation;
  const std::int64_t last = beyond < size ? beyond : size;
  return {first, last > first ? last : first};
}

}  // namespace octavo
