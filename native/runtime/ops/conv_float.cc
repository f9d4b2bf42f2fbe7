// Convolution of float32, for what a model leaves in float. Inputs: the activation, weights (output channels, input
// channels of a group, height, width), bias. Attributes: group, the window's without the kernel's shape.
#include <algorithm>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/window.h"

namespace octavo {
namespace {

Window window(const View& view) { return window_of(view, view.in(1).dims[2], view.in(1).dims[3], 1); }

const char* check(const View& view) {
  if (!has(view, 3, 1 + kWindowAttributes)) return "a float convolution has three inputs and nine attributes";
  if (!is_image(view.in(0)) || !is_image(view.out()) || view.in(1).rank != 4) return "its tensors are not images";
  if (!view.in(0).is_float() || !view.in(1).is_float() || !view.out().is_float()) return "its tensors are not float32";
  const Image in = image_of(view.in(0)), out = image_of(view.out());
  const std::int64_t groups = view.attribute(0);
  if (groups < 1 || in.c % groups != 0 || out.c % groups != 0) return "its groups do not divide its channels";
  if (view.in(1).dims[0] != out.c || view.in(1).dims[1] != in.c / groups) return "its weights do not fit";
  if (!is_vector(view.in(2), Dtype::kF32, out.c)) return "it has not one bias for each channel";
  return fits(window(view), in, out) ? nullptr : "its window does not fit";
}

// Adds one kernel element times one plane to the plane of the result.
void add_plane(const float* from, const Image& in, const Window& w, std::int64_t i, std::int64_t j, float weight,
               const Image& out, float* to) {
  const std::int64_t shift = j * w.dilation_w - w.left;
  // Of the result's columns, those whose x = column * stride + shift lies inside.
  const Range columns = inside(shift, out.w, w.stride_w, in.w);
  for (std::int64_t y = 0; y < out.h; ++y, to += out.w) {
    const std::int64_t row = y * w.stride_h + i * w.dilation_h - w.top;
    if (row < 0 || row >= in.h) continue;
    const float* line = from + row * in.w + shift;
    for (std::int64_t x = columns.first; x < columns.last; ++x) to[x] += weight * line[x * w.stride_w];
  }
}

void run(const Call& call) {
  const Image in = image_of(call.in(0)), out = image_of(call.out());
  const Window w = window(call);
  const std::int64_t channels = call.in(1).dims[1], width = out.c / call.attribute(0);
  for (std::int64_t plane = 0; plane < out.n * out.c; ++plane) {
    const std::int64_t channel = plane % out.c;
    float* to = call.write<float>() + plane * out.h * out.w;
    std::fill_n(to, out.h * out.w, call.read<float>(2)[channel]);
    const float* weight = call.read<float>(1) + channel * channels * w.kernel_h * w.kernel_w;
    const float* from = call.read<float>(0) + (plane / out.c * in.c + channel / width * channels) * in.h * in.w;
    for (std::int64_t c = 0; c < channels; ++c, from += in.h * in.w) {
      for (std::int64_t i = 0; i < w.kernel_h; ++i) {
        for (std::int64_t j = 0; j < w.kernel_w; ++j) add_plane(from, in, w, i, j, *weight++, out, to);
      }
    }
  }
}

std::int64_t multiply_adds(const View& view) { return view.out().count * (view.in(1).count / view.in(1).dims[0]); }

}  // namespace

const OpKind kConvFloat{"ConvFloat", check, run, nullptr, multiply_adds};

}  // namespace octavo
