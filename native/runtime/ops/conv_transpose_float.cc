// Float32 transposed convolution (N, C, H, W). Inputs: the activation; weights (C, output channels / groups, kernel
// height, kernel width); bias of each output channel.
#include <algorithm>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/scatter.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  if (!has_inputs(view, 3)) return "expected 3 inputs";
  for (std::size_t i = 0; i < 3; ++i) {
    if (!view.in(i).is_float()) return "inputs must be float32";
  }
  if (!view.out().is_float()) return "output must be float32";
  if (const char* fault = check_scatter(view)) return fault;
  const Scatter s(view);
  const Tensor& w = view.in(1);
  if (w.rank != 4 || w.dims[0] != view.in(0).dims[1] || w.dims[1] != view.out().dims[1] / s.groups ||
      w.dims[2] != s.kernel_h || w.dims[3] != s.kernel_w) {
    return "weight shape mismatch";
  }
  return view.in(2).count == view.out().dims[1] ? nullptr : "expected one bias for each channel";
}

// One channel of the input into one channel of the result.
void scatter(const Scatter& s, const Tensor& in, const Tensor& out, const float* x, const float* w, float* y) {
  for (std::int64_t row = 0; row < in.dims[2]; ++row) {
    for (std::int64_t i = 0; i < s.kernel_h; ++i) {
      const std::int64_t to_row = s.row(row, i);
      if (to_row < 0 || to_row >= out.dims[2]) continue;
      for (std::int64_t j = 0; j < s.kernel_w; ++j) {
        const float weight = w[i * s.kernel_w + j];
        for (std::int64_t column = 0; column < in.dims[3]; ++column) {
          const std::int64_t to = s.column(column, j);
          if (to >= 0 && to < out.dims[3]) y[to_row * out.dims[3] + to] += weight * x[row * in.dims[3] + column];
        }
      }
    }
  }
}

void run(const Call& call) {
  const Scatter s(call);
  const Tensor &in = call.in(0), &out = call.out();
  const std::int64_t depth = in.dims[1] / s.groups, channels = out.dims[1] / s.groups;
  const std::int64_t plane = in.dims[2] * in.dims[3], out_plane = out.dims[2] * out.dims[3];
  float* y = call.write<float>();
  for (std::int64_t sample = 0; sample < in.dims[0]; ++sample) {
    for (std::int64_t c = 0; c < out.dims[1]; ++c, y += out_plane) {
      std::fill_n(y, out_plane, call.read<float>(2)[c]);
      for (std::int64_t i = c / channels * depth; i < (c / channels + 1) * depth; ++i) {
        const float* w = call.read<float>(1) + (i * channels + c % channels) * s.positions();
        scatter(s, in, out, call.read<float>(0) + (sample * in.dims[1] + i) * plane, w, y);
      }
    }
  }
}

}  // namespace

const OpKind kConvTransposeFloat{schema::ConvTransposeFloat, check, run};

}  // namespace octavo
