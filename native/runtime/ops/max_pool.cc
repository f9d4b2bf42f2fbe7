// The largest value of each window, channels last, on 8 bits or float32; padding never wins.
// Attributes: the kernel's height and width, the window's others.
#include <algorithm>
#include <limits>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parts.h"
#include "runtime/ops/window.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  if (!has(view, 1, 2 + kWindowAttributes)) return "a pool has one input and ten attributes";
  const Tensor &in = view.in(0), &out = view.out();
  if (!is_image(in) || !is_image(out)) return "its tensors are not images";
  if (in.dtype != out.dtype || in.dtype == Dtype::kS32) return "its types do not fit";
  if (image_of(in).c != image_of(out).c) return "its channels do not fit";
  return fits(window_of(view, view.attribute(0), view.attribute(1), 2), image_of(in), image_of(out))
             ? nullptr
             : "its window does not fit";
}

// The largest of each channel among the pixels of one window.
template <class T>
void run_window(const T* image, const Image& in, const Window& w, std::int64_t y, std::int64_t x, T* to) {
  const Range rows = inside(y, w.kernel_h, w.dilation_h, in.h), columns = inside(x, w.kernel_w, w.dilation_w, in.w);
  std::fill_n(to, in.c, std::numeric_limits<T>::lowest());
  for (std::int64_t i = rows.first; i < rows.last; ++i) {
    for (std::int64_t j = columns.first; j < columns.last; ++j) {
      const T* from = image + ((y + i * w.dilation_h) * in.w + x + j * w.dilation_w) * in.c;
      for (std::int64_t c = 0; c < in.c; ++c) to[c] = from[c] > to[c] ? from[c] : to[c];
    }
  }
}

template <class T>
void run_on(const Call& call) {
  const Image in = image_of(call.in(0)), out = image_of(call.out());
  const Window w = window_of(call, call.attribute(0), call.attribute(1), 2);
  const auto lines = static_cast<std::size_t>(out.n * out.h);
  const auto work = static_cast<std::size_t>(call.out().count) * kElementWork;
  share(call, lines, work, [&](std::size_t first, std::size_t last, std::byte*) {
    T* to = call.write<T>() + static_cast<std::int64_t>(first) * out.w * out.c;
    for (auto line = static_cast<std::int64_t>(first); line < static_cast<std::int64_t>(last); ++line) {
      const T* image = call.read<T>(0) + line / out.h * in.h * in.w * in.c;
      for (std::int64_t x = 0; x < out.w; ++x, to += out.c) {
        run_window(image, in, w, line % out.h * w.stride_h - w.top, x * w.stride_w - w.left, to);
      }
    }
  });
}

void run(const Call& call) {
  if (call.in(0).is_float()) return run_on<float>(call);
  return call.in(0).dtype == Dtype::kS8 ? run_on<std::int8_t>(call) : run_on<std::uint8_t>(call);
}

}  // namespace

const OpKind kMaxPool{"MaxPool", check, run};

}  // namespace octavo
