// Integer convolution in which each group has one input channel, directly: no product is deep enough to gain from
// patches. Inputs: the activation, weights (output channels, height, width), bias and multiplier of each output
// channel. Attributes: the window's without the kernel's shape, low, high.
#include "runtime/ops/checks.h"
#include "runtime/ops/finish.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/window.h"

namespace octavo {
namespace {

Window window(const View& view) { return window_of(view, view.in(1).dims[1], view.in(1).dims[2], 0); }

const char* check(const View& view) {
  if (!has(view, 4, kWindowAttributes + 2)) return "a depthwise convolution has four inputs and ten attributes";
  if (!is_image(view.in(0)) || !is_image(view.out())) return "its tensors are not images";
  const Image in = image_of(view.in(0)), out = image_of(view.out());
  const Tensor& weight = view.in(1);
  if (!view.in(0).is_byte() || !weight.is_constant() || weight.dtype != Dtype::kS8) return "its types do not fit";
  if (weight.rank != 3 || weight.dims[0] != out.c || out.c % in.c != 0) return "its channels do not fit";
  if (!fits(window(view), in, out)) return "its window does not fit";
  if (!is_vector(view.in(2), Dtype::kS32, out.c)) return "it has not one bias for each channel";
  if (!is_vector(view.in(3), Dtype::kF32, out.c)) return "it has not one multiplier for each channel";
  if (view.out().is_float()) return nullptr;
  const std::int64_t low = view.attribute(kWindowAttributes), high = view.attribute(kWindowAttributes + 1);
  return view.out().is_byte() && are_bounds(low, high, view.out().dtype) ? nullptr : "bounds leave the type";
}

// The sum over the kernel positions inside the plane; those outside hold the zero point and add nothing.
template <class Byte>
std::int32_t sum(const Byte* plane, const Image& in, const Window& w, const std::int8_t* weight, std::int32_t zero,
                 std::int64_t y, std::int64_t x) {
  const Range rows = inside(y, w.kernel_h, w.dilation_h, in.h), columns = inside(x, w.kernel_w, w.dilation_w, in.w);
  std::int32_t total = 0;
  for (std::int64_t i = rows.first; i < rows.last; ++i) {
    const Byte* from = plane + (y + i * w.dilation_h) * in.w + x;
    for (std::int64_t j = columns.first; j < columns.last; ++j) {
      total += (from[j * w.dilation_w] - zero) * weight[i * w.kernel_w + j];
    }
  }
  return total;
}

template <class Byte, class Result, class Finish>
void planes(const Call& call, const Finish& finish) {
  const Image in = image_of(call.in(0)), out = image_of(call.out());
  const Window w = window(call);
  const std::int64_t each = out.c / in.c, area = w.kernel_h * w.kernel_w;
  Result* to = call.write<Result>();
  for (std::int64_t plane = 0; plane < out.n * out.c; ++plane) {
    const std::int64_t channel = plane % out.c;
    const Byte* from = call.read<Byte>(0) + (plane / out.c * in.c + channel / each) * in.h * in.w;
    const std::int8_t* weight = call.read<std::int8_t>(1) + channel * area;
    for (std::int64_t y = 0; y < out.h; ++y) {
      for (std::int64_t x = 0; x < out.w; ++x) {
        const std::int32_t total =
            sum(from, in, w, weight, call.in(0).zero_point, y * w.stride_h - w.top, x * w.stride_w - w.left);
        *to++ = finish(total, channel);
      }
    }
  }
}

template <class Byte>
void run_on(const Call& call) {
  const std::int32_t* bias = call.read<std::int32_t>(2);
  const float* multiplier = call.read<float>(3);
  if (call.out().is_float()) {
    planes<Byte, float>(
        call, [&](std::int32_t total, std::int64_t c) { return static_cast<float>(total + bias[c]) * multiplier[c]; });
    return;
  }
  const Grid grid{call.out().zero_point, static_cast<std::int32_t>(call.attribute(kWindowAttributes)),
                  static_cast<std::int32_t>(call.attribute(kWindowAttributes + 1))};
  planes<Byte, std::uint8_t>(
      call, [&](std::int32_t total, std::int64_t c) { return requantize(total + bias[c], multiplier[c], grid); });
}

void run(const Call& call) {
  if (call.in(0).dtype == Dtype::kS8) {
    run_on<std::int8_t>(call);
  } else {
    run_on<std::uint8_t>(call);
  }
}

std::int64_t multiply_adds(const View& view) { return view.out().count * (view.in(1).count / view.in(2).count); }

}  // namespace

const OpKind kDepthwise{"DepthwiseConv", check, run, nullptr, multiply_adds};

}  // namespace octavo
