// Softmax of float32. Attributes: the sizes before, along and behind its axis.
#include <algorithm>
#include <cmath>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/slices.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  if (!has(view, 1, 3)) return "a softmax has one input and three attributes";
  if (!view.in(0).is_float() || !view.out().is_float()) return "its tensors are not float32";
  if (view.in(0).count != view.out().count) return "sizes differ";
  return cover(slices_of(view), view.in(0)) ? nullptr : "its axis does not fit";
}

void run_slice(const float* from, float* to, std::int64_t count, std::int64_t step) {
  float largest = from[0], sum = 0;
  for (std::int64_t i = 1; i < count; ++i) largest = std::max(largest, from[i * step]);
  for (std::int64_t i = 0; i < count; ++i) sum += to[i * step] = std::exp(from[i * step] - largest);
  for (std::int64_t i = 0; i < count; ++i) to[i * step] /= sum;
}

void run(const Call& call) {
  const Slices s = slices_of(call);
  for (std::int64_t i = 0; i < s.outer * s.inner; ++i) {
    const std::int64_t begin = i / s.inner * s.middle * s.inner + i % s.inner;
    run_slice(call.read<float>(0) + begin, call.write<float>() + begin, s.middle, s.inner);
  }
}

}  // namespace

const OpKind kSoftmax{"SoftmaxFloat", check, run};

}  // namespace octavo
