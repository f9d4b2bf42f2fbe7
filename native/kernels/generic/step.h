// A mapping prepared for many values.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace octavo {
namespace {

// round(x / scale), clipped so that adding the zero point stays on the grid.
//
// Vectors multiply by 1 / scale in double precision and then keep multiples of 2^-30 (by adding and subtracting
// kSnap). The result is round(x / scale) exactly: the product is within 2^-43 of the quotient, so it snaps onto a
// half-integer that the quotient is; and a quotient of two floats that is no half-integer, but at most 2^9, is at
// least 2^-26 from all of them.
struct Step {
  double scale;
  double inverse;
  double low;
  double high;
};

constexpr double kSnap = 0x1.8p22;

inline Step step_of(const Mapping& mapping) {
  return {mapping.scale, 1.0 / mapping.scale, static_cast<double>(mapping.low - mapping.zero_point),
          static_cast<double>(mapping.high - mapping.zero_point)};
}

}  // namespace
}  // namespace octavo
