// Dynamic quantization to uint8 as ONNX DynamicQuantizeLinear defines it: Range computes the minimum and maximum,
// widened to contain 0; RangeScale (max - min) / 255; RangeZeroPoint clip(round(-min / scale)). QuantizeRange computes
// clip(round(x / scale) + zero point); the quotient is rounded to float32 first, as in the definition.
#include <algorithm>
#include <cmath>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace octavo {
namespace {

constexpr float kSteps = 255;

bool is_range(const Tensor& tensor) { return tensor.is_float() && tensor.count == 2; }

const char* check(const View& view) {
  if (!has_inputs(view, 1)) return "expected 1 input";
  return view.in(0).is_float() && is_range(view.out()) ? nullptr : "input must be float32 and output two float32";
}

void run(const Call& call) {
  const float* x = call.read<float>(0);
  float low = 0, high = 0;
  // NaN fails both comparisons and is ignored.
  for (std::int64_t i = 0; i < call.in(0).count; ++i) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  call.write<float>()[0] = low;
  call.write<float>()[1] = high;
}

// 1 / 255 where the scale is zero, subnormal or not finite.
float scale_of(const float* range) {
  const float scale = (range[1] - range[0]) / kSteps;
  return std::isnormal(scale) ? scale : 1 / kSteps;
}

const char* check_scale(const View& view) {
  if (!has_inputs(view, 1) || !is_range(view.in(0))) return "input must be a range of two float32";
  return view.out().is_float() && view.out().count == 1 ? nullptr : "output must be one float32";
}

void run_scale(const Call& call) { *call.write<float>() = scale_of(call.read<float>(0)); }

const char* check_zero_point(const View& view) {
  if (!has_inputs(view, 1) || !is_range(view.in(0))) return "input must be a range of two float32";
  return view.out().dtype == Dtype::kU8 && view.out().count == 1 ? nullptr : "output must be one uint8";
}

void run_zero_point(const Call& call) {
  const float* range = call.read<float>(0);
  // An untrusted bundle may hold a range that Range never produces.
  const float quotient = -range[0] / scale_of(range), place = quotient > 0 ? std::min(kSteps, quotient) : 0;
  *call.write<std::uint8_t>() = static_cast<std::uint8_t>(std::nearbyint(place));
}

const char* check_quantize(const View& view) {
  if (!has_inputs(view, 3)) return "expected 3 inputs";
  if (!view.in(0).is_float() || view.out().dtype != Dtype::kU8) return "input must be float32 and output uint8";
  if (!view.in(1).is_float() || view.in(1).count != 1) return "scale must be one float32";
  if (view.in(2).dtype != Dtype::kU8 || view.in(2).count != 1) return "zero point must be one uint8";
  return view.in(0).count == view.out().count ? nullptr : "element count mismatch";
}

// The bounds are integers, so clipping before rounding gives the same result as after it. Adding and subtracting
// kRounder rounds half to even.
void run_quantize(const Call& call) {
  constexpr float kRounder = 0x1.8p23f;
  const float scale = *call.read<float>(1), zero_point = *call.read<std::uint8_t>(2);
  const float low = -zero_point, high = kSteps - zero_point;
  const float* x = call.read<float>(0);
  auto* to = call.write<std::uint8_t>();
  for (std::int64_t i = 0; i < call.out().count; ++i) {
    const float quotient = x[i] / scale, number = quotient == quotient ? quotient : 0;
    const float clipped = number < low ? low : number > high ? high : number;
    to[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>((clipped + kRounder) - kRounder + zero_point));
  }
}

}  // namespace

const OpKind kRange{schema::Range, check, run};
const OpKind kRangeScale{schema::RangeScale, check_scale, run_scale};
const OpKind kRangeZeroPoint{schema::RangeZeroPoint, check_zero_point, run_zero_point};
const OpKind kQuantizeRange{schema::QuantizeRange, check_quantize, run_quantize};

}  // namespace octavo
