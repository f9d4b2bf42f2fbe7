// One row of a softmax: e^(x - max) over the sum of those; x has a mask added first, if there is one.
#pragma once

#include "kernels/generic/exp.h"
#include "kernels/generic/functions.h"
#include "kernels/generic/reduce.h"

namespace octavo {
namespace {

// y may be x.
template <class Isa>
void softmax(const float* x, const float* mask, std::size_t count, float* y) {
  using Floats = typename Isa::Floats;
  if (mask != nullptr) {
    combine<Isa>(Arithmetic::kAdd, {x, 1, mask, 1, count, y});
    x = y;
  }
  const auto largest = Isa::all(row_max<Isa>(x, count));
  each_value<Isa>(x, count, y, [&](Floats v) { return exponential<Isa>(Isa::subtract(v, largest)); });
  const auto share = Isa::all(1.0f / row_sum<Isa>(y, count));
  each_value<Isa>(y, count, y, [&](Floats v) { return Isa::multiply(v, share); });
}

}  // namespace
}  // namespace octavo
