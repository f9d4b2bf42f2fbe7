// Mean, sum, maximum or minimum of float32 along a run of axes.
#include <algorithm>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/slices.h"

namespace octavo {
namespace {

constexpr std::size_t kFunction = schema::ReduceFloat["function"];

enum : std::int64_t { kMean = 1, kSum, kMax, kMin };

const char* check(const View& view) {
  if (!has_inputs(view, 1)) return "expected 1 input";
  if (!view.in(0).is_float() || !view.out().is_float()) return "tensors must be float32";
  if (view.attribute(kFunction) < kMean || view.attribute(kFunction) > kMin) return "unknown function";
  const Slices s = slices_of<schema::ReduceFloat>(view);
  return cover(s, view.in(0)) && view.out().count == s.outer * s.inner ? nullptr : "axes do not match the shape";
}

// Elementwise over rows, from the first to the last.
void fold_rows(const Call& call, Arithmetic how, const float* from, const Slices& s, float* to) {
  const auto width = static_cast<std::size_t>(s.inner);
  std::copy_n(from, s.inner, to);
  for (std::int64_t row = 1; row < s.middle; ++row) {
    call.kernels.combine(how, {to, 1, from + row * s.inner, 1, width, to});
  }
}

float fold_row(const Call& call, const float* from, std::int64_t count) {
  switch (call.attribute(kFunction)) {
    case kMax:
      return call.kernels.row_max(from, static_cast<std::size_t>(count));
    case kMin:
      return *std::min_element(from, from + count);
    default:
      return call.kernels.row_sum(from, static_cast<std::size_t>(count));
  }
}

void run(const Call& call) {
  const Slices s = slices_of<schema::ReduceFloat>(call);
  const std::int64_t function = call.attribute(kFunction);
  const Arithmetic how = function == kMax ? Arithmetic::kMax : function == kMin ? Arithmetic::kMin : Arithmetic::kAdd;
  for (std::int64_t i = 0; i < s.outer; ++i) {
    const float* from = call.read<float>(0) + i * s.middle * s.inner;
    float* to = call.write<float>() + i * s.inner;
    if (s.inner == 1) {
      *to = fold_row(call, from, s.middle);
    } else {
      fold_rows(call, how, from, s, to);
    }
  }
  const auto count = static_cast<std::size_t>(call.out().count);
  const float size = static_cast<float>(s.middle);
  float* to = call.write<float>();
  if (function == kMean) call.kernels.combine(Arithmetic::kDiv, {to, 1, &size, 0, count, to});
}

}  // namespace

const OpKind kReduceFloat{schema::ReduceFloat, check, run};

}  // namespace octavo
