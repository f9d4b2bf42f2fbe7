// Requantization of an int32 accumulator: one float32 multiply and one rounding, half to even.
#pragma once

#include <cstdint>

namespace octavo {

struct Grid {
  std::int32_t zero_point, low, high;
};

// The bounds are integers, so clipping before rounding gives the same result as after it. Adding and subtracting
// kRounder rounds half to even, and vectorizes.
inline std::uint8_t requantize(std::int32_t sum, float multiplier, const Grid& grid) {
  constexpr float kRounder = 0x1.8p23f;
  const float scaled = static_cast<float>(sum) * multiplier;
  const auto least = static_cast<float>(grid.low - grid.zero_point),
             most = static_cast<float>(grid.high - grid.zero_point);
  const float clipped = scaled < least ? least : scaled > most ? most : scaled == scaled ? scaled : 0.0f;
  return static_cast<std::uint8_t>(static_cast<std::int32_t>((clipped + kRounder) - kRounder) + grid.zero_point);
}

}  // namespace octavo
