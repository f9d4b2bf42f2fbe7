// Integer convolution, to 8 bits or float32: patches of the input become rows of a matrix, a block of them at a time,
// and each group is one product. Padding holds the input's zero point, which stands for 0.
// Attributes: group, the kernel's height and width, the window's others, low, high.
#include <algorithm>
#include <cstring>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/product.h"
#include "runtime/ops/window.h"

namespace octavo {
namespace {

constexpr std::size_t kAttributes = 3 + kWindowAttributes + 2;
constexpr std::int64_t kBlockRows = 64;

struct Shape {
  Image in, out;
  Window window;
  std::int64_t groups, depth, width;  // of each group: k, and output channels

  std::int64_t positions() const { return out.h * out.w; }
  std::size_t rows() const { return static_cast<std::size_t>(std::min(positions(), kBlockRows)); }
};

Shape shape_of(const View& view) {
  Shape s;
  s.in = image_of(view.in(0));
  s.out = image_of(view.out());
  s.window = window_of(view, view.attribute(1), view.attribute(2), 3);
  s.groups = view.attribute(0);
  s.depth = s.in.c / s.groups * s.window.kernel_h * s.window.kernel_w;
  s.width = s.out.c / s.groups;
  return s;
}

const char* check(const View& view) {
  if (!has(view, kProductInputs, kAttributes)) return "a convolution has five inputs and thirteen attributes";
  if (!is_image(view.in(0)) || !is_image(view.out())) return "its tensors are not images";
  const Image in = image_of(view.in(0)), out = image_of(view.out());
  const std::int64_t groups = view.attribute(0);
  if (groups < 1 || in.c % groups != 0 || out.c % groups != 0) return "its groups do not divide its channels";
  if (!fits(window_of(view, view.attribute(1), view.attribute(2), 3), in, out)) return "its window does not fit";
  const Shape s = shape_of(view);
  if (s.depth > static_cast<std::int64_t>(kMaxBytes)) return "its kernel is too large";
  return check_product(view, s.groups, s.depth, s.width);
}

// Bytes of: a block of patches, their results, and what the product needs.
std::size_t patch_bytes(const Shape& s) { return (s.rows() * static_cast<std::size_t>(s.depth) + 63) / 64 * 64; }
std::size_t result_bytes(const Shape& s) { return (s.rows() * static_cast<std::size_t>(s.width) * 4 + 63) / 64 * 64; }

std::size_t scratch(const View& view, const Kernels& kernels) {
  const Shape s = shape_of(view);
  return patch_bytes(s) + result_bytes(s) + kernels.gemm_scratch(s.rows(), static_cast<std::size_t>(s.depth));
}

// The patch of one channel at one position: rows of the kernel, one after the other.
void gather(const std::uint8_t* plane, const Image& in, const Window& w, std::int64_t y, std::int64_t x,
            std::uint8_t zero, std::uint8_t* to) {
  const Range rows = inside(y, w.kernel_h, w.dilation_h, in.h), columns = inside(x, w.kernel_w, w.dilation_w, in.w);
  for (std::int64_t i = 0; i < w.kernel_h; ++i, to += w.kernel_w) {
    if (i < rows.first || i >= rows.last) {
      std::memset(to, zero, static_cast<std::size_t>(w.kernel_w));
      continue;
    }
    const std::uint8_t* from = plane + (y + i * w.dilation_h) * in.w;
    for (std::int64_t j = 0; j < w.kernel_w; ++j) {
      to[j] = j >= columns.first && j < columns.last ? from[x + j * w.dilation_w] : zero;
    }
  }
}

// Patches of the positions [first, first + rows) of the channels that begin at `from`.
void gather_block(const Shape& s, const std::uint8_t* from, std::int64_t first, std::int64_t rows, std::uint8_t zero,
                  std::uint8_t* to) {
  const Window& w = s.window;
  const std::int64_t channels = s.in.c / s.groups, area = w.kernel_h * w.kernel_w;
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t y = (first + r) / s.out.w * w.stride_h - w.top;
    const std::int64_t x = (first + r) % s.out.w * w.stride_w - w.left;
    for (std::int64_t c = 0; c < channels; ++c, to += area) gather(from + c * s.in.h * s.in.w, s.in, w, y, x, zero, to);
  }
}

// Rows of positions become planes of channels.
template <class T>
void scatter_block(const Shape& s, const T* from, std::int64_t first, std::int64_t rows, T* to) {
  for (std::int64_t c = 0; c < s.width; ++c) {
    T* plane = to + c * s.positions() + first;
    for (std::int64_t r = 0; r < rows; ++r) plane[r] = from[r * s.width + c];
  }
}

template <class T>
void run_group(const Call& call, const Shape& s, std::int64_t sample, std::int64_t group) {
  auto* patches = reinterpret_cast<std::uint8_t*>(call.scratch());
  auto* results = reinterpret_cast<T*>(call.scratch() + patch_bytes(s));
  const auto* from = call.read<std::uint8_t>(0) + (sample * s.in.c + group * (s.in.c / s.groups)) * s.in.h * s.in.w;
  T* to = call.write<T>() + (sample * s.out.c + group * s.width) * s.positions();
  Gemm gemm = product_of(call, group, s.depth, s.width);
  gemm.a = patches;
  gemm.c = results;
  for (std::int64_t first = 0; first < s.positions(); first += kBlockRows) {
    const std::int64_t rows = std::min(kBlockRows, s.positions() - first);
    gather_block(s, from, first, rows, static_cast<std::uint8_t>(gemm.a_zero), patches);
    gemm.m = static_cast<std::size_t>(rows);
    call.kernels.gemm(gemm, call.scratch() + patch_bytes(s) + result_bytes(s));
    scatter_block(s, results, first, rows, to);
  }
}

void run(const Call& call) {
  const Shape s = shape_of(call);
  for (std::int64_t sample = 0; sample < s.in.n; ++sample) {
    for (std::int64_t group = 0; group < s.groups; ++group) {
      if (call.out().is_float()) {
        run_group<float>(call, s, sample, group);
      } else {
        run_group<std::uint8_t>(call, s, sample, group);
      }
    }
  }
}

std::int64_t multiply_adds(const View& view) { return view.out().count * shape_of(view).depth; }

}  // namespace

const OpKind kConv{"Conv", check, run, scratch, multiply_adds};

}  // namespace octavo
