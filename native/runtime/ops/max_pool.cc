// The largest value of each window, on 8 bits or float32; padding never wins.
// Attributes: the kernel's height and width, the window's others.
#include <algorithm>
#include <limits>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
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

template <class T>
T largest(const T* plane, const Image& in, const Window& w, std::int64_t y, std::int64_t x) {
  const Range rows = inside(y, w.kernel_h, w.dilation_h, in.h), columns = inside(x, w.kernel_w, w.dilation_w, in.w);
  T found = std::numeric_limits<T>::lowest();
  for (std::int64_t i = rows.first; i < rows.last; ++i) {
    const T* from = plane + (y + i * w.dilation_h) * in.w + x;
    for (std::int64_t j = columns.first; j < columns.last; ++j) found = std::max(found, from[j * w.dilation_w]);
  }
  return found;
}

template <class T>
void run_on(const Call& call) {
  const Image in = image_of(call.in(0)), out = image_of(call.out());
  const Window w = window_of(call, call.attribute(0), call.attribute(1), 2);
  T* to = call.write<T>();
  for (std::int64_t plane = 0; plane < out.n * out.c; ++plane) {
    const T* from = call.read<T>(0) + plane * in.h * in.w;
    for (std::int64_t y = 0; y < out.h; ++y) {
      for (std::int64_t x = 0; x < out.w; ++x) {
        *to++ = largest(from, in, w, y * w.stride_h - w.top, x * w.stride_w - w.left);
      }
    }
  }
}

void run(const Call& call) {
  if (call.in(0).is_float()) return run_on<float>(call);
  return call.in(0).dtype == Dtype::kS8 ? run_on<std::int8_t>(call) : run_on<std::uint8_t>(call);
}

}  // namespace

const OpKind kMaxPool{"MaxPool", check, run};

}  // namespace octavo
