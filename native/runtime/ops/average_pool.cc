// Average pooling, channels last, on 8 bits or float32. On 8 bits the sum is exact, and the multiplier is input scale
// / (output scale * n), each operation in float32.
#include <algorithm>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/requantize.h"
#include "runtime/ops/window.h"

namespace octavo {
namespace {

constexpr std::size_t kCountPadding = schema::AveragePool["count_include_pad"];
constexpr std::size_t kLow = schema::AveragePool["qmin"], kHigh = schema::AveragePool["qmax"];

const char* check(const View& view) {
  if (!has_inputs(view, 1)) return "expected 1 input";
  const Tensor &in = view.in(0), &out = view.out();
  if (!is_image(in) || !is_image(out)) return "tensors must be images (rank 3 or 4)";
  if (image_of(in).c != image_of(out).c) return "channel mismatch";
  const Window window = window_of<schema::AveragePool>(view);
  if (!fits(window, image_of(in), image_of(out))) return "window does not match the shapes";
  if (in.is_float() && out.is_float()) return nullptr;
  if (!in.is_byte() || !out.is_byte()) return "type mismatch";
  return are_bounds(view.attribute(kLow), view.attribute(kHigh), out.dtype) ? nullptr
                                                                            : "qmin and qmax out of range of the type";
}

// The number of kernel positions along an axis inside the input or, if padding is counted, inside the padding.
std::int64_t counted(const Range& positions, std::int64_t start, std::int64_t size, std::int64_t dilation,
                     std::int64_t end, bool with_padding) {
  return with_padding ? inside(0, size, dilation, end - start).last : positions.last - positions.first;
}

constexpr std::int64_t kPiece = 256;  // channels whose sums are held at a time

// Adds the pixels [columns) of a row of the kernel, for a window that begins at column `x` of the image's `line`.
void add_row(const Call& call, const Image& in, const Window& w, const Range& columns, const std::uint8_t* line,
             std::int64_t x, std::int64_t count, std::int32_t* sums) {
  const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  call.kernels.add_pixels({line + (x + columns.first * w.dilation_w) * in.c, call.in(0).dtype == Dtype::kS8,
                           size(w.dilation_w * in.c), size(columns.last - columns.first), size(count)},
                          sums);
}

void add_row(const Call&, const Image& in, const Window& w, const Range& columns, const float* line, std::int64_t x,
             std::int64_t count, float* sums) {
  for (std::int64_t j = columns.first; j < columns.last; ++j) {
    const float* from = line + (x + j * w.dilation_w) * in.c;
    for (std::int64_t c = 0; c < count; ++c) sums[c] += from[c];
  }
}

template <class T, class Sum, class Finish>
void run_on(const Call& call, Sum zero, const Finish& finish) {
  const Image in = image_of(call.in(0)), out = image_of(call.out());
  const Window w = window_of<schema::AveragePool>(call);
  const bool with_padding = call.attribute(kCountPadding) != 0;
  const std::int64_t pieces = (in.c + kPiece - 1) / kPiece;
  const auto run_piece = [&](std::int64_t place, std::int64_t c) {
    const T* image = call.read<T>(0) + place / (out.h * out.w) * in.h * in.w * in.c;
    const std::int64_t y = place / out.w % out.h * w.stride_h - w.top, x = place % out.w * w.stride_w - w.left;
    const Range rows = inside(y, w.kernel_h, w.dilation_h, in.h), columns = inside(x, w.kernel_w, w.dilation_w, in.w);
    const std::int64_t n = counted(rows, y, w.kernel_h, w.dilation_h, in.h + w.bottom, with_padding) *
                           counted(columns, x, w.kernel_w, w.dilation_w, in.w + w.right, with_padding);
    const std::int64_t count = std::min(kPiece, in.c - c);
    const std::int64_t places = (rows.last - rows.first) * (columns.last - columns.first);
    Sum sums[kPiece];
    std::fill(sums, sums + count, Sum{0} - zero * static_cast<Sum>(places));
    for (std::int64_t i = rows.first; i < rows.last; ++i) {
      add_row(call, in, w, columns, image + (y + i * w.dilation_h) * in.w * in.c + c, x, count, sums);
    }
    finish(place * in.c + c, sums, count, static_cast<float>(n > 0 ? n : 1));
  };
  const auto all = static_cast<std::size_t>(out.n * out.h * out.w * pieces);
  const auto work = static_cast<std::size_t>(call.in(0).count) * kElementWork;
  share(call, all, work, [&](std::size_t first, std::size_t last, std::byte*) {
    for (auto i = static_cast<std::int64_t>(first); i < static_cast<std::int64_t>(last); ++i) {
      run_piece(i / pieces, i % pieces * kPiece);
    }
  });
}

void run(const Call& call) {
  const Tensor &in = call.in(0), &out = call.out();
  if (in.is_float()) {
    float* to = call.write<float>();
    return run_on<float>(call, 0.0f, [=](std::int64_t at, const float* sums, std::int64_t count, float n) {
      for (std::int64_t i = 0; i < count; ++i) to[at + i] = sums[i] / n;
    });
  }
  const Grid grid{out.zero_point, call.int32(kLow), call.int32(kHigh)};
  auto* to = call.write<std::uint8_t>();
  const float from = in.scale, onto = out.scale;
  run_on<std::uint8_t>(call, in.zero_point,
                       [=](std::int64_t at, const std::int32_t* sums, std::int64_t count, float n) {
                         const float multiplier = from / (onto * n);
                         for (std::int64_t i = 0; i < count; ++i) to[at + i] = requantize(sums[i], multiplier, grid);
                       });
}

}  // namespace

const OpKind kAveragePool{schema::AveragePool, check, run};

}  // namespace octavo
