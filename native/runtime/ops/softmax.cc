// Softmax of float32 along an axis, to float32 or 8 bits.
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/slices.h"

namespace octavo {
namespace {

constexpr std::size_t kLow = schema::SoftmaxFloat["qmin"], kHigh = schema::SoftmaxFloat["qmax"];

const char* check(const View& view) {
  if (!has_inputs(view, 1)) return "expected 1 input";
  if (!view.in(0).is_float()) return "input must be float32";
  if (!view.out().is_float() && !view.out().is_byte()) return "output must be float32 or 8-bit";
  if (view.in(0).count != view.out().count) return "element count mismatch";
  if (!cover(slices_of<schema::SoftmaxFloat>(view), view.in(0))) return "axis out of range";
  if (view.out().is_float()) return nullptr;
  return are_bounds(view.attribute(kLow), view.attribute(kHigh), view.out().dtype)
             ? nullptr
             : "qmin and qmax out of range of the type";
}

std::size_t scratch(const View& view, const Kernels&) {
  return static_cast<std::size_t>(slices_of<schema::SoftmaxFloat>(view).middle) * sizeof(float);
}

template <class T>
void scatter(const T* row, std::int64_t count, std::int64_t step, T* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i * step] = row[i];
}

// One strided slice, copied to scratch.
void run_slice(const Call& call, std::int64_t begin, std::size_t count, std::int64_t step) {
  auto* row = reinterpret_cast<float*>(call.scratch());
  const float* from = call.read<float>(0) + begin;
  for (std::size_t i = 0; i < count; ++i) row[i] = from[static_cast<std::int64_t>(i) * step];
  call.kernels.softmax({1, count, row, nullptr, 0, row, nullptr, {}});
  const auto length = static_cast<std::int64_t>(count);
  if (call.out().is_float()) return scatter(row, length, step, call.write<float>() + begin);
  const Mapping mapping = mapping_of(call.out(), call.attribute(kLow), call.attribute(kHigh));
  std::uint8_t bytes[1];
  for (std::int64_t i = 0; i < length; ++i) {
    call.kernels.quantize(row + i, 1, mapping, bytes);
    call.write<std::uint8_t>()[begin + i * step] = bytes[0];
  }
}

// Contiguous slices.
void run_rows(const Call& call, const Slices& s) {
  const auto count = static_cast<std::size_t>(s.middle), all = static_cast<std::size_t>(s.outer);
  share(call, all, all * count * kElementWork, [&](std::size_t first, std::size_t last, std::byte* scratch) {
    Softmax rows{last - first, count, call.read<float>(0) + first * count, nullptr, 0, nullptr, nullptr, {}};
    if (call.out().is_float()) {
      rows.y = call.write<float>() + first * count;
      return call.kernels.softmax(rows);
    }
    rows.mapping = mapping_of(call.out(), call.attribute(kLow), call.attribute(kHigh));
    rows.rows = 1;
    rows.y = reinterpret_cast<float*>(scratch);
    rows.q = call.write<std::uint8_t>() + first * count;
    for (std::size_t i = first; i < last; ++i, rows.x += count, rows.q += count) call.kernels.softmax(rows);
  });
}

void run(const Call& call) {
  const Slices s = slices_of<schema::SoftmaxFloat>(call);
  if (s.inner == 1) return run_rows(call, s);
  for (std::int64_t i = 0; i < s.outer * s.inner; ++i) {
    run_slice(call, i / s.inner * s.middle * s.inner + i % s.inner, static_cast<std::size_t>(s.middle), s.inner);
  }
}

}  // namespace

const OpKind kSoftmaxFloat{schema::SoftmaxFloat, check, run, scratch};

}  // namespace octavo
