// float32 to integers of a grid, before the zero point is added: a fast path in float32 where it is certain to be
// exact, else the exact path.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/generic/step.h"

namespace octavo {
namespace {

template <class Isa>
OCTAVO_INLINE typename Isa::Ints to_grid(typename Isa::Floats x, const Step& step) {
  if constexpr (Isa::kLanes == 1) {
    return Isa::to_grid_exactly(x, step);
  } else {
    auto q = Isa::multiply(Isa::without_nans(x), Isa::all(step.fast_inverse));
    q = Isa::min(Isa::max(q, Isa::all(static_cast<float>(step.low))), Isa::all(static_cast<float>(step.high)));
    const auto rounded = Isa::round(q);
    const auto distance = Isa::absolute(Isa::subtract(q, Isa::to_floats(rounded)));
    if (Isa::any_at_least(distance, Isa::all(step.safe_distance))) [[unlikely]]
      return Isa::to_grid_exactly(x, step);
    return rounded;
  }
}

// The same for several registers; the fast path is used if it is certain to be exact for all of them. Distances are
// compared as bit patterns, in which NaN is greater than any number.
template <class Isa, int Count>
OCTAVO_INLINE void to_grid(const typename Isa::Floats (&x)[Count], const Step& step, typename Isa::Ints (&q)[Count]) {
  auto farthest = Isa::all(0);
  each<Count>([&](auto i) OCTAVO_LAMBDA {
    const auto quotient = Isa::multiply(x[i], Isa::all(step.fast_inverse));
    const auto low = Isa::all(static_cast<float>(step.low)), high = Isa::all(static_cast<float>(step.high));
    const auto clipped = Isa::clamp(quotient, low, high);
    q[i] = Isa::round(clipped);
    const auto distance = Isa::absolute(Isa::subtract(clipped, Isa::to_floats(q[i])));
    farthest = Isa::larger(farthest, Isa::as_bits(distance));
  });
  if (step.safe_distance > 0 && !Isa::any_at_least(farthest, Isa::as_bits(Isa::all(step.safe_distance)))) [[likely]]
    return;
  each<Count>([&](auto i) OCTAVO_LAMBDA { q[i] = Isa::to_grid_exactly(x[i], step); });
}

}  // namespace
}  // namespace octavo
