// e^x within 1 ulp, saturating to 0 and infinity; NaN is propagated.
//
// x = n ln 2 + r with |r| <= ln 2 / 2, and e^r by the polynomial of Cephes' expf (Moshier). ln 2 is split in two (Cody
// and Waite), so that n times the first part is exact.
#pragma once

#include "kernels/generic/block.h"

namespace octavo {
namespace {

template <class Isa>
OCTAVO_INLINE typename Isa::Floats polynomial(typename Isa::Floats x, const float* coefficients, int count) {
  auto sum = Isa::all(coefficients[0]);
  OCTAVO_UNROLL
  for (int i = 1; i < count; ++i) sum = Isa::add(Isa::multiply(sum, x), Isa::all(coefficients[i]));
  return sum;
}

template <class Isa>
OCTAVO_INLINE typename Isa::Floats exponential(typename Isa::Floats x) {
  constexpr float kSeries[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                               4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
  const auto v = Isa::clamp(x, Isa::all(-104.5f), Isa::all(89.5f));
  const auto n = Isa::nearest(Isa::multiply(v, Isa::all(1.44269504f)));
  const auto most = Isa::subtract(v, Isa::multiply(n, Isa::all(0.693359375f)));
  const auto r = Isa::subtract(most, Isa::multiply(n, Isa::all(-2.12194440e-4f)));
  const auto squared = Isa::multiply(polynomial<Isa>(r, kSeries, 6), Isa::multiply(r, r));
  return Isa::scale(Isa::add(Isa::add(squared, r), Isa::all(1.0f)), n);
}

// e^x for x <= 0, with relative error 2^-22 max(1, |x|): 2^n times a polynomial for 2^f, where n + f = x log2 e. This
// suffices for softmax, where small values contribute little.
template <class Isa>
OCTAVO_INLINE typename Isa::Floats exponential_below_zero(typename Isa::Floats x) {
  // Minimax polynomial on [-1/2, 1/2], relative error 2^-23.4.
  constexpr float kSeries[] = {1.3264727e-3f, 9.67151265e-3f, 5.55073374e-2f, 2.40222421e-1f, 6.93146978e-1f, 1.0f};
  const auto power = Isa::multiply(Isa::at_least(x, Isa::all(-104.5f)), Isa::all(1.44269504f));
  const auto n = Isa::nearest(power);
  return Isa::scale(polynomial<Isa>(Isa::subtract(power, n), kSeries, 6), n);
}

}  // namespace
}  // namespace octavo
