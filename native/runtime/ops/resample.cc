// Resampling of a float32 tensor along an axis: each output position is a weighted sum of input positions. Inputs: the
// tensor; int32 positions for each output position, clamped to the axis; their float32 weights.
#include <algorithm>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/strided.h"

namespace octavo {
namespace {

constexpr std::size_t kAxis = schema::Resample["axis"];

const char* check(const View& view) {
  if (!has_inputs(view, 3)) return "expected 3 inputs";
  const Tensor &x = view.in(0), &places = view.in(1), &weights = view.in(2), &y = view.out();
  const std::int64_t axis = view.attribute(kAxis);
  if (!x.is_float() || !weights.is_float() || !y.is_float()) return "tensors must be float32";
  if (places.dtype != Dtype::kS32 || places.count != weights.count) return "index and weight mismatch";
  if (x.rank != y.rank || axis < 0 || axis >= x.rank) return "axis out of range";
  for (int i = 0; i < x.rank; ++i) {
    if (i != axis && x.dims[i] != y.dims[i]) return "shape mismatch";
  }
  return places.count % y.dims[axis] == 0 ? nullptr : "weights are not divisible among the output positions";
}

void run(const Call& call) {
  const Tensor &x = call.in(0), &y = call.out();
  const auto axis = call.attribute(kAxis);
  const std::int64_t size = x.dims[axis], count = y.dims[axis], inner = stride(x, axis);
  const std::int64_t taps = call.in(1).count / count, outer = x.count / size / inner;
  const float* from = call.read<float>(0);
  float* to = call.write<float>();
  for (std::int64_t i = 0; i < outer; ++i, from += size * inner) {
    const std::int32_t* place = call.read<std::int32_t>(1);
    const float* weight = call.read<float>(2);
    for (std::int64_t j = 0; j < count; ++j, to += inner) {
      std::fill_n(to, inner, 0.0f);
      for (std::int64_t tap = 0; tap < taps; ++tap, ++place, ++weight) {
        const float* row = from + std::clamp<std::int64_t>(*place, 0, size - 1) * inner;
        for (std::int64_t k = 0; k < inner; ++k) to[k] += *weight * row[k];
      }
    }
  }
}

}  // namespace

const OpKind kResample{schema::Resample, check, run};

}  // namespace octavo
