// float32 numbers to the integers of a grid, before the zero point is added: quickly where that is surely right, else
// exactly.
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
    auto q = Isa::multiply(Isa::without_nans(x), Isa::all(step.quick_inverse));
    q = Isa::min(Isa::max(q, Isa::all(static_cast<float>(step.low))), Isa::all(static_cast<float>(step.high)));
    const auto rounded = Isa::round(q);
    const auto distance = Isa::absolute(Isa::subtract(q, Isa::to_floats(rounded)));
    if (Isa::any_at_least(distance, Isa::all(step.doubt))) [[unlikely]]
      return Isa::to_grid_exactly(x, step);
    return rounded;
  }
}

}  // namespace
}  // namespace octavo
