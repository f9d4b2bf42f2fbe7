// From a 32-bit sum to the output's grid: one float32 multiply and one rounding, half to even.
#pragma once

#include <cstdint>

namespace octavo {

struct Grid {
  std::int32_t zero_point, low, high;
};

inline std::uint8_t requantize(std::int32_t sum, float multiplier, const Grid& grid) {
  const float scaled = static_cast<float>(sum) * multiplier;
  if (scaled != scaled) return static_cast<std::uint8_t>(grid.zero_point);
  const double q = static_cast<double>(__builtin_rintf(scaled)) + grid.zero_point;
  return static_cast<std::uint8_t>(static_cast<std::int32_t>(q < grid.low ? grid.low : q > grid.high ? grid.high : q));
}

}  // namespace octavo
