// Elementwise arithmetic on two float32 tensors with broadcasting.
#include <algorithm>
#include <cmath>

#include "runtime/ops/broadcast.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"

namespace octavo {
namespace {

constexpr std::size_t kFunction = schema::BinaryFloat["function"];

constexpr std::int64_t kFirst = static_cast<std::int64_t>(Arithmetic::kAdd), kPower = 7;

const char* check(const View& view) {
  if (!has_inputs(view, 2)) return "expected 2 inputs";
  if (!view.in(0).is_float() || !view.in(1).is_float() || !view.out().is_float()) return "tensors must be float32";
  if (view.attribute(kFunction) < kFirst || view.attribute(kFunction) > kPower) return "unknown function";
  return broadcasts(view.in(0), view.out()) && broadcasts(view.in(1), view.out()) ? nullptr : "shape mismatch";
}

void power(const Pair& pair) {
  for (std::size_t i = 0; i < pair.count; ++i) {
    pair.c[i] = std::pow(pair.a[i * pair.a_step], pair.b[i * pair.b_step]);
  }
}

void combine(const Call& call, const Pair& pair) {
  share_elements(call, pair.count, [&](std::size_t i, std::size_t end) {
    const Pair part{pair.a + i * pair.a_step, pair.a_step, pair.b + i * pair.b_step, pair.b_step, end - i, pair.c + i};
    if (call.attribute(kFunction) == kPower) return power(part);
    call.kernels.combine(static_cast<Arithmetic>(call.attribute(kFunction)), part);
  });
}

void run(const Call& call) {
  const Tensor& result = call.out();
  const Rows a(call.in(0), result), b(call.in(1), result);
  const Run a_run = run_of(call.in(0), result), b_run = run_of(call.in(1), result);
  const std::int64_t length = std::min(a_run.length, b_run.length);
  Pair pair{nullptr,
            static_cast<std::size_t>(a_run.step),
            nullptr,
            static_cast<std::size_t>(b_run.step),
            static_cast<std::size_t>(length),
            call.write<float>()};
  const std::int64_t row_size = row_length(result);
  for (std::int64_t at = 0; at < result.count; at += length, pair.c += length) {
    pair.a = call.read<float>(0) + a.begin(at / row_size);
    pair.b = call.read<float>(1) + b.begin(at / row_size);
    combine(call, pair);
  }
}

}  // namespace

const OpKind kBinaryFloat{schema::BinaryFloat, check, run};

}  // namespace octavo
