// Float32 convolution, channels last, for convolutions that stay in float. Inputs: the activation; weights (groups,
// height, width, input channels of a group, output channels of a group) as a matrix with a row for each group, kernel
// position and input channel; the bias.
#include <algorithm>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/window.h"

namespace octavo {
namespace {

constexpr std::size_t kGroup = schema::ConvFloat["group"];

Window window(const View& view) { return window_of<schema::ConvFloat>(view); }

const char* check(const View& view) {
  if (!has_inputs(view, 3)) return "expected 3 inputs";
  if (!is_image(view.in(0)) || !is_image(view.out()) || view.in(1).rank != 2)
    return "tensors must be images (rank 3 or 4)";
  if (!view.in(0).is_float() || !view.in(1).is_float() || !view.out().is_float()) return "tensors must be float32";
  const Image in = image_of(view.in(0)), out = image_of(view.out());
  const std::int64_t groups = view.attribute(kGroup);
  if (groups < 1 || in.c % groups != 0 || out.c % groups != 0) return "channels are not divisible by groups";
  const Window w = window(view);
  if (!fits(w, in, out)) return "window does not match the shapes";
  const std::int64_t rows = view.in(1).dims[0];
  if (rows % in.c != 0 || rows / in.c % w.kernel_h != 0 || rows / in.c / w.kernel_h != w.kernel_w ||
      view.in(1).dims[1] != out.c / groups) {
    return "weight shape mismatch";
  }
  return is_vector(view.in(2), Dtype::kF32, out.c) ? nullptr : "expected one bias for each channel";
}

struct Layer {
  Image in, out;
  Window window;
  std::int64_t channels, width;  // of each group: input and output channels
};

// Accumulates one row of the kernel, for the columns inside the image, at one position of one group.
void add_line(const Call& call, const Layer& layer, const float* line, const Range& columns, const float* weights,
              float* to) {
  const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  const std::int64_t area = layer.channels * layer.width;
  if (area == 1) {
    for (std::int64_t j = columns.first; j < columns.last; ++j) {
      *to += line[j * layer.window.dilation_w * layer.in.c] * weights[j];
    }
    return;
  }
  FloatProduct product{nullptr,          0, 1, size(layer.channels), size(layer.width), nullptr, size(layer.width), to,
                       size(layer.width)};
  for (std::int64_t j = columns.first; j < columns.last; ++j) {
    product.a = line + j * layer.window.dilation_w * layer.in.c;
    product.b = weights + j * area;
    call.kernels.float_product(product);
  }
}

void run_position(const Call& call, const Layer& layer, const float* image, std::int64_t y, std::int64_t x, float* to) {
  const Window& w = layer.window;
  const Range rows = inside(y, w.kernel_h, w.dilation_h, layer.in.h);
  const Range columns = inside(x, w.kernel_w, w.dilation_w, layer.in.w);
  const std::int64_t line_weights = w.kernel_w * layer.channels * layer.width;
  std::copy_n(call.read<float>(2), layer.out.c, to);
  for (std::int64_t group = 0; group < layer.out.c / layer.width; ++group) {
    for (std::int64_t i = rows.first; i < rows.last; ++i) {
      const float* line = image + ((y + i * w.dilation_h) * layer.in.w + x) * layer.in.c + group * layer.channels;
      const float* weights = call.read<float>(1) + (group * w.kernel_h + i) * line_weights;
      add_line(call, layer, line, columns, weights, to + group * layer.width);
    }
  }
}

std::int64_t multiply_adds(const View& view) {
  return view.out().count * (view.in(1).dims[0] / view.attribute(kGroup));
}

void run(const Call& call) {
  Layer layer{image_of(call.in(0)), image_of(call.out()), window(call), 0, 0};
  layer.channels = layer.in.c / call.attribute(kGroup);
  layer.width = layer.out.c / call.attribute(kGroup);
  const std::int64_t sample_size = layer.in.h * layer.in.w * layer.in.c;
  const auto lines = static_cast<std::size_t>(layer.out.n * layer.out.h);
  const std::size_t work = static_cast<std::size_t>(multiply_adds(call)) * kStepWork;
  share(call, lines, work, [&](std::size_t first, std::size_t last, std::byte*) {
    for (auto line = static_cast<std::int64_t>(first); line < static_cast<std::int64_t>(last); ++line) {
      const std::int64_t y = line % layer.out.h * layer.window.stride_h - layer.window.top;
      float* to = call.write<float>() + line * layer.out.w * layer.out.c;
      for (std::int64_t x = 0; x < layer.out.w; ++x, to += layer.out.c) {
        run_position(call, layer, call.read<float>(0) + line / layer.out.h * sample_size, y,
                     x * layer.window.stride_w - layer.window.left, to);
      }
    }
  });
}

}  // namespace

const OpKind kConvFloat{schema::ConvFloat, check, run, nullptr, multiply_adds};

}  // namespace octavo
