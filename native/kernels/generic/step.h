// Precomputed constants of a quantization.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace octavo {
namespace {

// round(x / scale), clipped so that adding the zero point stays on the grid.
//
// Vector code multiplies by 1 / scale in double precision and rounds to multiples of 2^-30 (by adding and subtracting
// kSnap). The result equals round(x / scale): the product is within 2^-43 of the quotient, so it snaps to a half-
// integer if the quotient is one; any other quotient of two floats of at most 2^9 is at least 2^-26 from all half-
// integers.
struct Step {
  double scale;
  double inverse;
  double low;
  double high;
  float fast_inverse;
  std::int32_t zero_point;
  float safe_distance;  // a fast quotient closer to an integer than this rounds exactly
};

constexpr double kSnap = 0x1.8p22;

// Fast quotients are products with 1 / scale in float32, both rounded: within the bounds of 8 bits their error is less
// than 2^-14. If 1 / scale is not a normal number, the exact path is always taken.
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
