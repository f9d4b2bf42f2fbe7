// Integer depthwise convolution, channels last. Inputs: the activation, weights (height, width, channels), and weight
// sum, bias and multiplier of each channel.
#include <algorithm>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/window.h"

namespace octavo {
namespace {

constexpr std::size_t kLow = schema::DepthwiseConv["qmin"], kHigh = schema::DepthwiseConv["qmax"];

Window window(const View& view) {
  return window_of<schema::DepthwiseConv>(view, view.in(1).dims[0], view.in(1).dims[1]);
}

const char* check(const View& view) {
  if (!has_inputs(view, 5)) return "expected 5 inputs";
  if (!is_image(view.in(0)) || !is_image(view.out())) return "tensors must be images (rank 3 or 4)";
  const Image in = image_of(view.in(0)), out = image_of(view.out());
  const Tensor& weight = view.in(1);
  if (!view.in(0).is_byte() || !weight.is_constant() || weight.dtype != Dtype::kS8) return "type mismatch";
  if (weight.rank != 3 || weight.dims[2] != out.c || out.c != in.c) return "channel mismatch";
  if (!fits(window(view), in, out)) return "window does not match the shapes";
  if (!is_padded_image(window(view), in)) return "padding is too large";
  if (!is_vector(view.in(2), Dtype::kS32, out.c)) return "expected one sum for each channel";
  if (!is_vector(view.in(3), Dtype::kS32, out.c)) return "expected one bias for each channel";
  if (!is_vector(view.in(4), Dtype::kF32, out.c)) return "expected one multiplier for each channel";
  if (view.out().is_float()) return nullptr;
  const std::int64_t low = view.attribute(kLow), high = view.attribute(kHigh);
  return view.out().is_byte() && are_bounds(low, high, view.out().dtype) ? nullptr
                                                                         : "qmin and qmax out of range of the type";
}

// All output rows of a sample.
Depthwise depthwise_of(const View& view) {
  const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  const Image in = image_of(view.in(0)), out = image_of(view.out());
  Depthwise d{};
  d.image = {nullptr, size(in.h), size(in.w), size(in.c), size(in.c), 1};
  d.window = stride_of(window(view));
  d.out_w = size(out.w);
  d.rows = size(out.h);
  d.product.n = size(out.c);
  d.product.a_signed = view.in(0).dtype == Dtype::kS8;
  d.product.a_zero = view.in(0).zero_point;
  d.product.output = view.out().is_float() ? Output::kFloat : Output::kBytes;
  d.product.zero_point = view.out().zero_point;
  d.product.low = view.int32(kLow);
  d.product.high = view.int32(kHigh);
  d.product.c_stride = size(out.c);
  return d;
}

std::size_t scratch(const View& view, const Kernels& kernels) { return kernels.depthwise_scratch(depthwise_of(view)); }

std::int64_t multiply_adds(const View& view) { return view.out().count * view.in(1).dims[0] * view.in(1).dims[1]; }

void run(const Call& call) {
  Depthwise whole = depthwise_of(call);
  whole.weights = call.read<std::int8_t>(1);
  whole.product.b_sums = call.read<std::int32_t>(2);
  whole.product.bias = call.read<std::int32_t>(3);
  whole.product.multiplier = call.read<float>(4);
  const auto samples = static_cast<std::size_t>(call.in(0).dims[0]);
  const std::size_t rows = whole.rows, work = static_cast<std::size_t>(multiply_adds(call)) * kStepWork;
  share(call, samples * rows, work, [&](std::size_t first, std::size_t last, std::byte* scratch) {
    Depthwise d = whole;
    for (std::size_t next = first; next < last; next += d.rows) {
      const std::size_t sample = next / rows;
      d.image.data = call.read<std::uint8_t>(0) + sample * (call.in(0).bytes / samples);
      d.product.c = call.write<std::byte>() + sample * (call.out().bytes / samples);
      d.first_row = next % rows;
      d.rows = std::min(rows - d.first_row, last - next);
      call.kernels.depthwise(d, scratch);
    }
  });
}

}  // namespace

const OpKind kDepthwiseConv{schema::DepthwiseConv, check, run, scratch, multiply_adds};

}  // namespace octavo
