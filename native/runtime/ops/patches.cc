// im2col: an 8-bit image (N, H, W, C) to (N, groups, output positions, kernel size * C / groups). Inputs: the image,
// and its zero point, which fills the padding.
#include <cstring>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/window.h"

namespace octavo {
namespace {

constexpr std::size_t kGroup = schema::Patches["group"];

Window window(const View& view) { return window_of<schema::Patches>(view); }

const char* check(const View& view) {
  if (!has_inputs(view, 2)) return "expected 2 inputs";
  const Tensor &x = view.in(0), &zero = view.in(1), &out = view.out();
  if (!x.is_byte() || !is_image(x) || out.dtype != x.dtype || out.rank != 4) return "tensor mismatch";
  if (zero.dtype != x.dtype || zero.count != 1) return "zero point mismatch";
  const Image in = image_of(x);
  const Window w = window(view);
  const std::int64_t groups = view.attribute(kGroup);
  if (groups < 1 || in.c % groups != 0) return "channels are not divisible by groups";
  const std::int64_t h = window_positions(in.h, w.kernel_h, w.stride_h, w.dilation_h, w.top, w.bottom);
  const std::int64_t across = window_positions(in.w, w.kernel_w, w.stride_w, w.dilation_w, w.left, w.right);
  if (h < 1 || across < 1 || h > out.dims[2] || out.dims[2] != h * across) return "window does not match the shapes";
  // Each number is at most 2^24 here, so products do not overflow int64.
  if (w.kernel_h * w.kernel_w > out.dims[3]) return "window does not match the shapes";
  return out.dims[0] == in.n && out.dims[1] == groups && out.dims[3] == in.c / groups * w.kernel_h * w.kernel_w
             ? nullptr
             : "shape mismatch";
}

// One row: the channels of a group for each kernel position, or the zero point in the padding.
void gather(const std::uint8_t* from, const Image& in, const Window& w, std::int64_t y, std::int64_t x,
            std::uint8_t zero, std::size_t channels, std::uint8_t* to) {
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    const std::int64_t row = y + i * w.dilation_h;
    for (std::int64_t j = 0; j < w.kernel_w; ++j, to += channels) {
      const std::int64_t column = x + j * w.dilation_w;
      if (row >= 0 && row < in.h && column >= 0 && column < in.w) {
        std::memcpy(to, from + (row * in.w + column) * in.c, channels);
      } else {
        std::memset(to, zero, channels);
      }
    }
  }
}

void run(const Call& call) {
  const Image in = image_of(call.in(0));
  const Window w = window(call);
  const std::int64_t groups = call.attribute(kGroup), channels = in.c / groups, count = call.out().dims[2];
  const std::int64_t across = window_positions(in.w, w.kernel_w, w.stride_w, w.dilation_w, w.left, w.right);
  const std::uint8_t zero = *call.read<std::uint8_t>(1);
  const auto depth = static_cast<std::size_t>(call.out().dims[3]),
             rows = static_cast<std::size_t>(call.out().count) / depth;
  share(call, rows, rows * depth * kElementWork, [&](std::size_t first, std::size_t last, std::byte*) {
    for (std::size_t r = first; r < last; ++r) {
      const auto row = static_cast<std::int64_t>(r), place = row % count, image = row / count / groups;
      const std::int64_t y = place / across * w.stride_h - w.top, x = place % across * w.stride_w - w.left;
      const std::uint8_t* from =
          call.read<std::uint8_t>(0) + image * in.h * in.w * in.c + row / count % groups * channels;
      gather(from, in, w, y, x, zero, static_cast<std::size_t>(channels), call.write<std::uint8_t>() + r * depth);
    }
  });
}

}  // namespace

const OpKind kPatches{schema::Patches, check, run};

}  // namespace octavo
