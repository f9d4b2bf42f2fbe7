// Integer transposed convolution (N, C, H, W) with constant weights, to 8 bits. Inputs: the activation; packed weights
// of each group, C / groups by (output channels / groups * kernel size); column sums; bias and multiplier of each
// output channel.
//
// Each row of the image is multiplied by the whole kernel (GEMM), and the products are added to the accumulators that
// they belong to (col2im).
#include <algorithm>

#include "kernels/packing.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/scatter.h"
#include "runtime/ops/scratch.h"

namespace octavo {
namespace {

constexpr std::size_t kLow = schema::ConvTranspose["qmin"], kHigh = schema::ConvTranspose["qmax"];

struct Plan {
  explicit Plan(const View& view)
      : s(view),
        depth(static_cast<std::size_t>(view.in(0).dims[1] / s.groups)),
        height(view.in(0).dims[2]),
        width(view.in(0).dims[3]),
        channels(view.out().dims[1] / s.groups),
        out_height(view.out().dims[2]),
        out_width(view.out().dims[3]),
        columns(static_cast<std::size_t>(channels * s.positions())) {}

  std::size_t pixels() const { return static_cast<std::size_t>(width); }
  std::int64_t plane() const { return out_height * out_width; }

  Scatter s;
  std::size_t depth;
  std::int64_t height, width, channels, out_height, out_width;
  std::size_t columns;
};

// Whether the intermediate products or the weights exceed kMaxBytes. Operands are bounded before they are multiplied.
bool is_vast(const View& view) {
  const Scatter s(view);
  const std::int64_t most = static_cast<std::int64_t>(kMaxBytes) / view.out().dims[1] / s.kernel_h;
  if (s.kernel_w > most) return true;
  const Plan plan(view);
  const std::size_t all = static_cast<std::size_t>(plan.s.groups) * panels(plan.columns) * kPanelColumns;
  return plan.pixels() > kMaxBytes / sizeof(std::int32_t) / all || panel_bytes(plan.depth) > kMaxBytes / all;
}

const char* check(const View& view) {
  if (!has_inputs(view, 5)) return "expected 5 inputs";
  if (!view.in(0).is_byte() || !view.out().is_byte()) return "images must be 8-bit";
  if (const char* fault = check_scatter(view)) return fault;
  if (is_vast(view)) return "intermediate products are too large";
  const Plan plan(view);
  const std::size_t all = static_cast<std::size_t>(plan.s.groups) * panels(plan.columns);
  if (!is_vector(view.in(1), Dtype::kS8, static_cast<std::int64_t>(all * panel_bytes(plan.depth)))) {
    return "weights do not have the size of their panels";
  }
  if (!is_vector(view.in(2), Dtype::kS32, static_cast<std::int64_t>(all * kPanelColumns))) {
    return "expected one sum for each column";
  }
  if (!is_vector(view.in(3), Dtype::kS32, view.out().dims[1])) return "expected one bias for each channel";
  if (!is_vector(view.in(4), Dtype::kF32, view.out().dims[1])) return "expected one multiplier for each channel";
  return are_bounds(view.attribute(kLow), view.attribute(kHigh), view.out().dtype)
             ? nullptr
             : "qmin and qmax out of range of the type";
}

std::size_t scratch(const View& view, const Kernels& kernels) {
  const Plan plan(view);
  const auto sums = static_cast<std::size_t>(plan.channels * plan.plane());
  return aligned(plan.pixels() * plan.depth) + aligned(plan.pixels() * plan.columns * sizeof(std::int32_t)) +
         aligned(sums * sizeof(std::int32_t)) + aligned(static_cast<std::size_t>(plan.out_width) * sizeof(float)) +
         kernels.gemm_scratch(plan.pixels(), plan.depth);
}

class ConvTranspose {
 public:
  explicit ConvTranspose(const Call& call)
      : call_(call),
        plan_(call),
        memory_(call.scratch()),
        pixels_(memory_.take<std::uint8_t>(plan_.pixels() * plan_.depth)),
        products_(memory_.take<std::int32_t>(plan_.pixels() * plan_.columns)),
        sums_(memory_.take<std::int32_t>(static_cast<std::size_t>(plan_.channels * plan_.plane()))),
        floats_(memory_.take<float>(static_cast<std::size_t>(plan_.out_width))) {}

  void run() {
    for (std::int64_t sample = 0; sample < call_.in(0).dims[0]; ++sample) {
      for (std::int64_t group = 0; group < plan_.s.groups; ++group) {
        for (std::int64_t c = 0; c < plan_.channels; ++c) {
          std::fill_n(sums_ + c * plan_.plane(), plan_.plane(),
                      call_.read<std::int32_t>(3)[group * plan_.channels + c]);
        }
        for (std::int64_t y = 0; y < plan_.height; ++y) {
          multiply(sample, group, y);
          scatter(y);
        }
        finish(sample, group);
      }
    }
  }

 private:
  // The pixels of a row, channels last, times the weights.
  void multiply(std::int64_t sample, std::int64_t group, std::int64_t y) {
    const auto depth = static_cast<std::int64_t>(plan_.depth);
    const std::uint8_t* from =
        call_.read<std::uint8_t>(0) + ((sample * plan_.s.groups + group) * depth * plan_.height + y) * plan_.width;
    for (std::int64_t c = 0; c < depth; ++c, from += plan_.height * plan_.width) {
      for (std::int64_t x = 0; x < plan_.width; ++x) pixels_[x * depth + c] = from[x];
    }
    const std::size_t first = static_cast<std::size_t>(group) * panels(plan_.columns);
    Gemm gemm{};
    gemm.m = plan_.pixels();
    gemm.n = plan_.columns;
    gemm.k = plan_.depth;
    gemm.a = pixels_;
    gemm.a_stride = plan_.depth;
    gemm.a_signed = call_.in(0).dtype == Dtype::kS8;
    gemm.a_zero = call_.in(0).zero_point;
    gemm.b = call_.read<std::int8_t>(1) + first * panel_bytes(plan_.depth);
    gemm.b_sums = call_.read<std::int32_t>(2) + first * kPanelColumns;
    gemm.output = Output::kInt32;
    gemm.c = products_;
    gemm.c_stride = plan_.columns;
    call_.kernels.gemm(gemm, memory_.rest());
  }

  void scatter(std::int64_t y) {
    const Scatter& s = plan_.s;
    const std::int32_t* product = products_;
    for (std::int64_t x = 0; x < plan_.width; ++x) {
      for (std::int64_t c = 0; c < plan_.channels; ++c) {
        for (std::int64_t i = 0; i < s.kernel_h; ++i, product += s.kernel_w) {
          const std::int64_t row = s.row(y, i);
          if (row < 0 || row >= plan_.out_height) continue;
          std::int32_t* sums = sums_ + c * plan_.plane() + row * plan_.out_width;
          for (std::int64_t j = 0; j < s.kernel_w; ++j) {
            const std::int64_t column = s.column(x, j);
            if (column >= 0 && column < plan_.out_width) sums[column] += product[j];
          }
        }
      }
    }
  }

  // float32(sum) * multiplier, then quantized with scale 1, which only rounds.
  void finish(std::int64_t sample, std::int64_t group) {
    Mapping mapping = mapping_of(call_.out(), call_.attribute(kLow), call_.attribute(kHigh));
    mapping.scale = 1.0f;
    const std::int64_t first = (sample * plan_.s.groups + group) * plan_.channels;
    std::uint8_t* to = call_.write<std::uint8_t>() + first * plan_.plane();
    const std::int32_t* sums = sums_;
    for (std::int64_t c = 0; c < plan_.channels; ++c) {
      const float multiplier = call_.read<float>(4)[group * plan_.channels + c];
      for (std::int64_t row = 0; row < plan_.out_height; ++row, sums += plan_.out_width, to += plan_.out_width) {
        for (std::int64_t i = 0; i < plan_.out_width; ++i) floats_[i] = static_cast<float>(sums[i]) * multiplier;
        call_.kernels.quantize(floats_, static_cast<std::size_t>(plan_.out_width), mapping, to);
      }
    }
  }

  const Call& call_;
  Plan plan_;
  Scratch memory_;
  std::uint8_t* pixels_;
  std::int32_t* products_;
  std::int32_t* sums_;
  float* floats_;
};

void run(const Call& call) { ConvTranspose(call).run(); }

}  // namespace

const OpKind kConvTranspose{schema::ConvTranspose, check, run, scratch};

}  // namespace octavo
