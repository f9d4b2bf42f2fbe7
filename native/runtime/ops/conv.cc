// Integer convolution, channels last, to 8 bits or float32; one implicit GEMM for each group of each sample.
#include <algorithm>

#include "runtime/ops/checks.h"
#include "runtime/ops/gemm.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/window.h"

namespace octavo {
namespace {

constexpr std::size_t kGroup = schema::Conv["group"], kPlanar = schema::Conv["planar"];
constexpr GemmAttributes kGemm = gemm_attributes(schema::Conv);
constexpr std::int64_t kManyPositions = 512;
constexpr std::size_t kTogether = 4;  // panels that kernels process together

struct Shape {
  Image in, out;
  Window window;
  std::int64_t groups, channels, depth, width;  // of each group: input channels, k, output channels
};

Shape shape_of(const View& view) {
  Shape s;
  s.in = view.attribute(kPlanar) != 0 ? planar_image_of(view.in(0)) : image_of(view.in(0));
  s.out = image_of(view.out());
  s.window = window_of<schema::Conv>(view);
  s.groups = view.attribute(kGroup);
  s.channels = s.in.c / s.groups;
  const Stride2d stride = stride_of(s.window);
  s.depth =
      static_cast<std::int64_t>(conv_segments(stride) * segment_depth(stride, static_cast<std::size_t>(s.channels)));
  s.width = s.out.c / s.groups;
  return s;
}

const char* check(const View& view) {
  if (const char* fault = check_gemm_inputs(view, schema::Conv)) return fault;
  if (!is_image(view.in(0)) || !is_image(view.out())) return "tensors must be images (rank 3 or 4)";
  const Image in = view.attribute(kPlanar) != 0 ? planar_image_of(view.in(0)) : image_of(view.in(0));
  const Image out = image_of(view.out());
  const std::int64_t groups = view.attribute(kGroup);
  if (groups < 1 || in.c % groups != 0 || out.c % groups != 0) return "channels are not divisible by groups";
  const Window window = window_of<schema::Conv>(view);
  if (!fits(window, in, out)) return "window does not match the shapes";
  if (!is_padded_image(window, in)) return "padding is too large";
  if (in.c > kMaxPositions / window.kernel_h / window.kernel_w) return "kernel is too large";
  const Shape s = shape_of(view);
  return check_gemm(view, kGemm, s.groups, s.depth, s.width);
}

// All output rows of one sample and group.
Conv conv_of(const Shape& s, bool planar) {
  const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  Conv conv{};
  conv.image = {nullptr,
                size(s.in.h),
                size(s.in.w),
                size(s.channels),
                planar ? 1 : size(s.in.c),
                planar ? size(s.in.h * s.in.w) : 1};
  conv.window = stride_of(s.window);
  conv.out_w = size(s.out.w);
  conv.rows = size(s.out.h);
  return conv;
}

std::size_t scratch(const View& view, const Kernels& kernels) {
  Conv conv = conv_of(shape_of(view), view.attribute(kPlanar) != 0);
  conv.product.a_signed = view.in(0).dtype == Dtype::kS8;
  return kernels.conv_scratch(conv);
}

std::int64_t multiply_adds(const View& view) {
  const Shape s = shape_of(view);
  return view.out().count * s.channels * s.window.kernel_h * s.window.kernel_w;
}

// Parallel over output rows; over output channels where there are few positions, so that not every part reads all
// weights, unless rows balance much better.
bool is_by_lines(const Call& call, const Shape& s, std::size_t wide) {
  if (s.out.h * s.out.w >= kManyPositions) return true;
  constexpr double kMuch = 0.05;
  const auto lines = static_cast<std::size_t>(s.out.h), parts = call.threads();
  const std::size_t most_lines = (lines + parts - 1) / parts, most_panels = (wide + parts - 1) / parts * kTogether;
  return static_cast<double>(most_lines) / static_cast<double>(lines) + kMuch <
         static_cast<double>(most_panels) / static_cast<double>(panels(static_cast<std::size_t>(s.width)));
}

void run(const Call& call) {
  const Shape s = shape_of(call);
  const bool planar = call.attribute(kPlanar) != 0;
  const std::size_t element = call.out().is_float() ? sizeof(float) : 1;
  const std::size_t wide = (panels(static_cast<std::size_t>(s.width)) + kTogether - 1) / kTogether;
  const bool by_lines = is_by_lines(call, s, wide);
  const auto products = static_cast<std::size_t>(s.in.n * s.groups),
             work = static_cast<std::size_t>(multiply_adds(call));
  const std::size_t units = by_lines ? static_cast<std::size_t>(s.out.h) : wide;
  share(call, products * units, work, [&](std::size_t begin, std::size_t end, std::byte* scratch) {
    for (std::size_t next = begin, count; next < end; next += count) {
      const std::size_t first = next % units;
      count = std::min(units - first, end - next);
      const auto product = static_cast<std::int64_t>(next / units);
      const std::int64_t sample = product / s.groups, group = product % s.groups;
      Conv conv = conv_of(s, planar);
      conv.product = gemm_of(call, kGemm, group, s.depth, s.width);
      conv.image.data = call.read<std::uint8_t>(0) + sample * s.in.c * s.in.h * s.in.w +
                        static_cast<std::size_t>(group * s.channels) * conv.image.channel;
      conv.product.c = call.write<std::byte>() +
                       static_cast<std::size_t>(sample * s.out.h * s.out.w * s.out.c + group * s.width) * element;
      conv.product.c_stride = static_cast<std::size_t>(s.out.c);
      if (by_lines) {
        conv.first_row = first;
        conv.rows = count;
      } else {
        conv.product = columns_of(conv.product, first * kTogether, count * kTogether);
      }
      Residual residual;
      conv.product.residual = residual_of(call, kGemm, conv.product, residual);
      call.kernels.conv(conv, scratch);
    }
  });
}

}  // namespace

const OpKind kConv{schema::Conv, check, run, scratch, multiply_adds};

}  // namespace octavo
