// A function of float32, value by value. Attributes: which, and two numbers that it may take.
#include <algorithm>
#include <cmath>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace octavo {
namespace {

enum : std::int64_t { kClip = 1, kSigmoid, kTanh, kHardSigmoid, kHardSwish, kLeakyRelu };

const char* check(const View& view) {
  if (!has(view, 1, 3)) return "it has one input and three attributes";
  if (!view.in(0).is_float() || !view.out().is_float()) return "its tensors are not float32";
  if (view.attribute(0) < kClip || view.attribute(0) > kLeakyRelu) return "its function is unknown";
  return view.in(0).count == view.out().count ? nullptr : "sizes differ";
}

template <class Function>
void run_all(const Call& call, const Function& function) {
  const float* from = call.read<float>(0);
  float* to = call.write<float>();
  for (std::int64_t i = 0; i < call.out().count; ++i) to[i] = function(from[i]);
}

float hard_sigmoid(float x, float slope, float shift) { return std::max(0.0f, std::min(1.0f, slope * x + shift)); }

void run(const Call& call) {
  const float a = call.number(1), b = call.number(2);
  switch (call.attribute(0)) {
    case kClip:
      return run_all(call, [=](float x) { return x < a ? a : x > b ? b : x; });
    case kSigmoid:
      return run_all(call, [](float x) { return 1.0f / (1.0f + std::exp(-x)); });
    case kTanh:
      return run_all(call, [](float x) { return std::tanh(x); });
    case kHardSigmoid:
      return run_all(call, [=](float x) { return hard_sigmoid(x, a, b); });
    case kHardSwish:
      return run_all(call, [](float x) { return x * hard_sigmoid(x, 1.0f / 6.0f, 0.5f); });
    default:
      return run_all(call, [=](float x) { return x < 0 ? a * x : x; });
  }
}

}  // namespace

const OpKind kUnary{"UnaryFloat", check, run};

}  // namespace octavo
