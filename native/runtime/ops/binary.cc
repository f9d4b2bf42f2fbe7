// Arithmetic on two float32 tensors. Attribute: which.
#include "runtime/ops/broadcast.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace octavo {
namespace {

enum : std::int64_t { kPlus = 1, kMinus, kTimes, kOver };

const char* check(const View& view) {
  if (!has(view, 2, 1)) return "it has two inputs and one attribute";
  if (!view.in(0).is_float() || !view.in(1).is_float() || !view.out().is_float()) return "its tensors are not float32";
  if (view.attribute(0) < kPlus || view.attribute(0) > kOver) return "its function is unknown";
  return stretches(view.in(0), view.out()) && stretches(view.in(1), view.out()) ? nullptr : "its shapes do not fit";
}

template <class Function>
void run_rows(const Call& call, const Function& function) {
  const Tensor& result = call.out();
  const Rows a(call.in(0), result), b(call.in(1), result);
  const std::int64_t length = row_length(result), a_step = a.step(), b_step = b.step();
  float* to = call.write<float>();
  for (std::int64_t row = 0; row < result.count / length; ++row, to += length) {
    const float* left = call.read<float>(0) + a.begin(row);
    const float* right = call.read<float>(1) + b.begin(row);
    for (std::int64_t i = 0; i < length; ++i) to[i] = function(left[i * a_step], right[i * b_step]);
  }
}

void run(const Call& call) {
  switch (call.attribute(0)) {
    case kPlus:
      return run_rows(call, [](float a, float b) { return a + b; });
    case kMinus:
      return run_rows(call, [](float a, float b) { return a - b; });
    case kTimes:
      return run_rows(call, [](float a, float b) { return a * b; });
    default:
      return run_rows(call, [](float a, float b) { return a / b; });
  }
}

}  // namespace

const OpKind kBinary{"BinaryFloat", check, run};

}  // namespace octavo
