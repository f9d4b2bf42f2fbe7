// A mapping in single precision, which is enough for nearly all values.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/generic/step.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

// x times 1 / scale is within 2^-15 of x / scale while that is at most 2^8,
// so where 2^-14 more and less round to the same integer it is the right one. Elsewhere, seldom, `step` decides.
struct QuickStep {
  Step step;
  float inverse, low, high;
  bool is_enough;
  std::int32_t zero_point;
};

inline QuickStep quick_step_of(const Mapping& mapping) {
  const Step step = step_of(mapping);
  constexpr float kLargest = 0x1p120f;  // beyond it 1 / scale is no normal number
  return {step,
          1.0f / mapping.scale,
          static_cast<float>(step.low),
          static_cast<float>(step.high),
          // What NaN becomes must be on the grid.
          mapping.scale < kLargest && step.low <= 0 && step.high >= 0,
          mapping.zero_point};
}

template <class Isa>
OCTAVO_INLINE typename Isa::Ints to_grid(typename Isa::Floats x, const QuickStep& quick) {
  if constexpr (Isa::kLanes > 1) {
    const auto scaled = Isa::multiply(x, Isa::all(quick.inverse));
    // NaN stays, and becomes an integer whose low byte is 0.
    const auto q = Isa::clamp(scaled, Isa::all(quick.low), Isa::all(quick.high)), margin = Isa::all(0x1p-14f);
    const auto least = Isa::round(Isa::subtract(q, margin)), most = Isa::round(Isa::add(q, margin));
    if (quick.is_enough && Isa::are_same(least, most)) return least;
  }
  return Isa::to_grid(x, quick.step);
}

}  // namespace
}  // namespace octavo
