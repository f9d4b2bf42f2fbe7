// Max pooling, channels last, on 8 bits or float32; padding is never the maximum.
#include <algorithm>
#include <cstring>
#include <limits>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/window.h"

namespace octavo {
namespace {

// Calls body(from) with each pixel [rows) by [columns) of the kernel, for a window that begins at (y, x); channels
// last.
template <class T, class Body>
void each_pixel(const T* image, const Image& in, const Window& w, const Range& rows, const Range& columns,
                std::int64_t y, std::int64_t x, const Body& body) {
  for (std::int64_t i = rows.first; i < rows.last; ++i) {
    const T* line = image + (y + i * w.dilation_h) * in.w * in.c;
    for (std::int64_t j = columns.first; j < columns.last; ++j) body(line + (x + j * w.dilation_w) * in.c);
  }
}

const char* check(const View& view) {
  if (!has_inputs(view, 1)) return "expected 1 input";
  const Tensor &in = view.in(0), &out = view.out();
  if (!is_image(in) || !is_image(out)) return "tensors must be images (rank 3 or 4)";
  if (in.dtype != out.dtype || in.dtype == Dtype::kS32) return "type mismatch";
  if (image_of(in).c != image_of(out).c) return "channel mismatch";
  return fits(window_of<schema::MaxPool>(view), image_of(in), image_of(out)) ? nullptr
                                                                             : "window does not match the shapes";
}

// Sixteen bytes of channels.
template <class T>
struct Lanes {
  using Vector [[gnu::vector_size(16)]] = T;
  static constexpr std::int64_t kCount = sizeof(Vector) / sizeof(T);
  Vector values = Vector{} + std::numeric_limits<T>::lowest();

  void raise(const T* from) {
    Vector loaded;
    std::memcpy(&loaded, from, sizeof loaded);
    values = loaded > values ? loaded : values;
  }
  void store(T* to) const { std::memcpy(to, &values, sizeof values); }
};

// Maximum of each channel: blocks of channels in registers, then the remainder.
template <class T>
void run_window(const T* image, const Image& in, const Window& w, std::int64_t y, std::int64_t x, T* to) {
  constexpr std::int64_t kCount = Lanes<T>::kCount;
  const Range rows = inside(y, w.kernel_h, w.dilation_h, in.h), columns = inside(x, w.kernel_w, w.dilation_w, in.w);
  std::int64_t c = 0;
  for (; c + 4 * kCount <= in.c; c += 4 * kCount) {
    Lanes<T> first, second, third, fourth;
    each_pixel(image + c, in, w, rows, columns, y, x, [&](const T* from) {
      first.raise(from);
      second.raise(from + kCount);
      third.raise(from + 2 * kCount);
      fourth.raise(from + 3 * kCount);
    });
    first.store(to + c);
    second.store(to + c + kCount);
    third.store(to + c + 2 * kCount);
    fourth.store(to + c + 3 * kCount);
  }
  if (c == in.c) return;
  std::fill(to + c, to + in.c, std::numeric_limits<T>::lowest());
  each_pixel(image, in, w, rows, columns, y, x, [&](const T* from) {
    for (std::int64_t i = c; i < in.c; ++i) to[i] = from[i] > to[i] ? from[i] : to[i];
  });
}

template <class T>
void run_on(const Call& call) {
  const Image in = image_of(call.in(0)), out = image_of(call.out());
  const Window w = window_of<schema::MaxPool>(call);
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

const OpKind kMaxPool{schema::MaxPool, check, run};

}  // namespace octavo
