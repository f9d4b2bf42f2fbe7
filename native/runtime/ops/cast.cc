// Conversion between element types, as in C; floats are saturated to the range of integer types and NaN becomes 0.
// 8-bit integers are converted without their scale.
#include <cmath>
#include <limits>
#include <type_traits>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/types.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  if (!has_inputs(view, 1)) return "expected 1 input";
  return view.in(0).count == view.out().count ? nullptr : "element count mismatch";
}

template <class To, class From>
To cast(From value) {
  if constexpr (std::is_same_v<To, Bool>) {
    return {static_cast<std::uint8_t>(value != From{} ? 1 : 0)};
  } else if constexpr (std::is_same_v<From, float> && std::is_integral_v<To>) {
    using Limits = std::numeric_limits<To>;
    if (std::isnan(value)) return 0;
    if (value >= static_cast<float>(Limits::max())) return Limits::max();
    return value <= static_cast<float>(Limits::min()) ? Limits::min() : static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

void run(const Call& call) {
  with_type(call.in(0).dtype, [&](auto from) {
    with_type(call.out().dtype, [&](auto to) {
      const auto* x = call.read<decltype(from)>(0);
      auto* y = call.write<decltype(to)>();
      for (std::int64_t i = 0; i < call.out().count; ++i) y[i] = cast<decltype(to)>(x[i]);
    });
  });
}

}  // namespace

const OpKind kCast{schema::Cast, check, run};

}  // namespace octavo
