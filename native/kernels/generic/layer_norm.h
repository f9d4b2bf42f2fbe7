// One row of a layer normalization (Ba et al. 2016): (v - mean) / sqrt(variance + epsilon) * scale + shift, where v is
// x, or x and a bias and a skip connection, added in that order.
#pragma once

#include "kernels/generic/arithmetic.h"
#include "kernels/generic/functions.h"
#include "kernels/generic/reduce.h"

namespace octavo {
namespace {

template <class Isa>
void layer_norm(const LayerNorm& n, const float* x, const float* skip, float* y) {
  using Floats = typename Isa::Floats;
  const auto size = static_cast<float>(n.size);
  if (n.bias != nullptr) {
    combine<Isa>(Arithmetic::kAdd, {x, 1, n.bias, 1, n.size, y});
    x = y;
  }
  if (skip != nullptr) {
    combine<Isa>(Arithmetic::kAdd, {x, 1, skip, 1, n.size, y});
    x = y;
  }
  const float mean = row_sum<Isa>(x, n.size) / size;
  const auto middle = Isa::all(mean);
  Partial<Isa> squares;
  start<Isa>(0.0f, squares);
  each_register<Isa>(x, n.size, mean, [&](int r, Floats v) {
    const auto away = Isa::subtract(v, middle);
    squares[r] = Isa::add(squares[r], Isa::multiply(away, away));
  });
  const auto factor = Isa::all(1.0f / __builtin_sqrtf(total<Isa>(squares) / size + n.epsilon));
  each_value<Isa>(x, n.size, y, [&](Floats v) { return Isa::multiply(Isa::subtract(v, middle), factor); });
  combine<Isa>(Arithmetic::kMul, {y, 1, n.scale, 1, n.size, y});
  if (n.shift != nullptr) combine<Isa>(Arithmetic::kAdd, {y, 1, n.shift, 1, n.size, y});
}

}  // namespace
}  // namespace octavo
