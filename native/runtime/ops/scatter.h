// Geometry of a transposed convolution: pixel (y, x) of the input times (i, j) of the kernel is added to pixel (y *
// stride - pad + i * dilation, and likewise for x) of the output.
#pragma once

#include <cstdint>

#include "runtime/op.h"

namespace octavo {

struct Scatter {
  std::int64_t groups, kernel_h, kernel_w, stride_h, stride_w, top, left, dilation_h, dilation_w;

  // ConvTranspose and ConvTransposeFloat store these attributes first and in the same order.
  explicit Scatter(const View& view)
      : groups(view.attribute(kSchema["group"])),
        kernel_h(view.attribute(kSchema["kernel_h"])),
        kernel_w(view.attribute(kSchema["kernel_w"])),
        stride_h(view.attribute(kSchema["stride_h"])),
        stride_w(view.attribute(kSchema["stride_w"])),
        top(view.attribute(kSchema["pad_top"])),
        left(view.attribute(kSchema["pad_left"])),
        dilation_h(view.attribute(kSchema["dilation_h"])),
        dilation_w(view.attribute(kSchema["dilation_w"])) {}

  std::int64_t row(std::int64_t y, std::int64_t i) const { return y * stride_h - top + i * dilation_h; }
  std::int64_t column(std::int64_t x, std::int64_t j) const { return x * stride_w - left + j * dilation_w; }
  std::int64_t positions() const { return kernel_h * kernel_w; }
  bool is_in_range() const {
    constexpr std::int64_t kMost = std::int64_t{1} << 30;
    for (const std::int64_t value : {groups, kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w}) {
      if (value < 1 || value > kMost) return false;
    }
    return top >= 0 && top <= kMost && left >= 0 && left <= kMost;
  }

 private:
  static constexpr const schema::Operator& kSchema = schema::ConvTransposeFloat;
};

// Checks that images, groups and attributes are consistent: null, or the fault.
inline const char* check_scatter(const View& view) {
  const Tensor &x = view.in(0), &y = view.out();
  if (x.rank != 4 || y.rank != 4 || x.dims[0] != y.dims[0]) return "tensors must be images (rank 4)";
  const Scatter s(view);
  if (!s.is_in_range()) return "an attribute is out of range";
  return x.dims[1] % s.groups == 0 && y.dims[1] % s.groups == 0 ? nullptr : "group mismatch";
}

}  // namespace octavo
