// A mapping prepared for many values.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace octavo {
namespace {

// round(x / scale), clipped so that adding the zero point stays on the grid.
//
// Exactly: vectors multiply by 1 / scale in double precision and then keep multiples of 2^-30 (by adding and
// subtracting kSnap). The result is round(x / scale) exactly: the product is within 2^-43 of the quotient, so it snaps
// onto a half-integer that the quotient is; and a quotient of two floats that is no half-integer, but at most 2^9, is
// at least 2^-26 from all of them.
struct Step {
  double scale;
  double inverse;
  double low;
  double high;
  float fast_inverse;
  std::int32_t zero_point;
  float doubt;  // how far from an integer a quick quotient may lie and be sure to round as the exact one
};

constexpr double kSnap = 0x1.8p22;

// Quick quotients are products with 1 / scale in float32, both rounded: within the bounds of 8 bits they are less than
// 2^-14 from the exact ones. Where 1 / scale is no normal number, no quick quotient is trusted.
inline Step step_of(const Mapping& mapping) {
  const float inverse = 1.0f / mapping.scale;
  const bool normal = inverse >= 0x1p-126f && inverse <= 0x1.fffffep127f;
  return {mapping.scale,
          1.0 / mapping.scale,
          static_cast<double>(mapping.low - mapping.zero_point),
          static_cast<double>(mapping.high - mapping.zero_point),
          inverse,
          mapping.zero_point,
          normal ? 0.5f - 0x1p-14f : -1.0f};
}

}  // namespace
}  // namespace octavo
