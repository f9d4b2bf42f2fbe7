// Where the products of a transposed convolution go: pixel (y, x) of the input and (i, j) of the kernel meet pixel
// (y * stride - pad + i * dilation, and so for x) of the result. Attributes: groups; the kernel's height and width;
// strides; pads above and to the left; dilations.
#pragma once

#include <cstdint>

#include "runtime/op.h"

namespace octavo {

inline constexpr std::size_t kScatterAttributes = 9;

struct Scatter {
  std::int64_t groups, kernel_h, kernel_w, stride_h, stride_w, top, left, dilation_h, dilation_w;

  explicit Scatter(const View& view)
      : groups(view.attribute(0)),
        kernel_h(view.attribute(1)),
        kernel_w(view.attribute(2)),
        stride_h(view.attribute(3)),
        stride_w(view.attribute(4)),
        top(view.attribute(5)),
        left(view.attribute(6)),
        dilation_h(view.attribute(7)),
        dilation_w(view.attribute(8)) {}

  std::int64_t row(std::int64_t y, std::int64_t i) const { return y * stride_h - top + i * dilation_h; }
  std::int64_t column(std::int64_t x, std::int64_t j) const { return x * stride_w - left + j * dilation_w; }
  std::int64_t positions() const { return kernel_h * kernel_w; }
};

// Whether images, groups and attributes fit each other: null, or what is wrong.
inline const char* check_scatter(const View& view) {
  constexpr std::int64_t kMost = std::int64_t{1} << 30;
  const Tensor &x = view.in(0), &y = view.out();
  if (x.rank != 4 || y.rank != 4 || x.dims[0] != y.dims[0]) return "its tensors are no images";
  for (std::size_t i = 0; i < kScatterAttributes; ++i) {
    const std::int64_t least = i == 5 || i == 6 ? 0 : 1;
    if (view.attribute(i) < least || view.attribute(i) > kMost) return "an attribute is out of range";
  }
  const Scatter s(view);
  return x.dims[1] % s.groups == 0 && y.dims[1] % s.groups == 0 ? nullptr : "its groups do not fit";
}

}  // namespace octavo
