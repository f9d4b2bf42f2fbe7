// The mean of float32 along a run of axes. Attributes: the sizes before, along and behind them.
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/slices.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  if (!has(view, 1, 3)) return "a mean has one input and three attributes";
  if (!view.in(0).is_float() || !view.out().is_float()) return "its tensors are not float32";
  const Slices s = slices_of(view);
  return cover(s, view.in(0)) && view.out().count == s.outer * s.inner ? nullptr : "its axes do not fit";
}

void run(const Call& call) {
  const Slices s = slices_of(call);
  float* to = call.write<float>();
  for (std::int64_t i = 0; i < s.outer * s.inner; ++i) {
    const float* from = call.read<float>(0) + i / s.inner * s.middle * s.inner + i % s.inner;
    float sum = 0;
    for (std::int64_t j = 0; j < s.middle; ++j) sum += from[j * s.inner];
    to[i] = sum / static_cast<float>(s.middle);
  }
}

}  // namespace

const OpKind kReduceMean{"ReduceMeanFloat", check, run};

}  // namespace octavo
