// Quantization with scales and zero points per axis or block (blocks.h). Inputs: float32 data, scales, zero points of
// the output type.
#include <cmath>
#include <limits>

#include "runtime/ops/blocks.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/types.h"

namespace octavo {
namespace {

constexpr std::size_t kLow = schema::QuantizeBlocks["qmin"], kHigh = schema::QuantizeBlocks["qmax"];

template <class T>
bool within(std::int64_t low, std::int64_t high) {
  return std::numeric_limits<T>::min() <= low && low <= high && high <= std::numeric_limits<T>::max();
}

const char* check(const View& view) {
  if (!has_inputs(view, 3)) return "expected 3 inputs";
  if (!view.in(0).is_float()) return "input must be float32";
  if (const char* fault = check_blocks(view, view.out())) return fault;
  bool sound = false;
  with_integers(view.out(),
                [&]<class T>(T) { sound = sizeof(T) <= 2 && within<T>(view.attribute(kLow), view.attribute(kHigh)); });
  return sound ? nullptr : "qmin and qmax out of range of the type";
}

// The bounds are integers, so clipping before rounding gives the same result as after it. Adding and subtracting
// kRounder rounds half to even.
template <class T>
T quantized(double x, double scale, double zero_point, double low, double high) {
  constexpr double kRounder = 0x1.8p52;
  const double quotient = x / scale, least = low - zero_point, most = high - zero_point;
  const double number = quotient == quotient ? quotient : 0;
  const double clipped = number < least ? least : number > most ? most : number;
  return static_cast<T>((clipped + kRounder) - kRounder + zero_point);
}

template <class T>
void run_on(const Call& call) {
  const Blocks blocks = blocks_of(call);
  const auto low = call.int32(kLow);
  const auto high = call.int32(kHigh);
  const float *from = call.read<float>(0), *scale = call.read<float>(1);
  const T* zero_point = call.read<T>(2);
  T* to = call.write<T>();
  for (std::int64_t row = 0; row < blocks.outer * blocks.length; ++row) {
    const std::int64_t first = blocks.scale_of(row, 0);
    if (sizeof(T) == 1 && blocks.is_shared_by_row() && std::isnormal(scale[first]) && scale[first] > 0) {
      const Mapping mapping{scale[first], static_cast<std::int32_t>(zero_point[first]), low, high};
      call.kernels.quantize(from, static_cast<std::size_t>(blocks.inner), mapping, reinterpret_cast<std::uint8_t*>(to));
    } else {
      for (std::int64_t i = 0; i < blocks.inner; ++i) {
        const std::int64_t at = blocks.scale_of(row, i);
        to[i] = quantized<T>(from[i], scale[at], zero_point[at], low, high);
      }
    }
    from += blocks.inner;
    to += blocks.inner;
  }
}

void run(const Call& call) {
  with_integers(call.out(), [&]<class T>(T) { run_on<T>(call); });
}

}  // namespace

const OpKind kQuantizeBlocks{schema::QuantizeBlocks, check, run};

}  // namespace octavo
