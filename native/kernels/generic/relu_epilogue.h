// Accumulators followed by a ReLU (zero point and lower bound 0) are requantized without int32-to-float32 conversion.
//
// The accumulator is initialized with the bit pattern of the float 2^23. Sums in [0, 2^23] then have the bit pattern of
// the float 2^23 + sum, and fma(2^23 + sum, M, -2^23 * M) is sum * M, rounded once. Sums in [-2^23, 0) have the bit
// pattern of a float below 2^23, so the result is below 0 and is clipped to 0. With M < 1 the result fits int32.
#pragma once

#include "kernels/kernels.h"

namespace octavo {
namespace {

constexpr std::int32_t kReluBits = 0x4b000000;
constexpr float kReluOffset = -0x1p23f;  // times the multiplier

inline bool fuses_relu(const Gemm& gemm) { return gemm.zero_point == 0 && gemm.low == 0; }

// Whether accumulators of `depth` products are sure to stay within [-2^23, 2^23]; `begin` holds their initial values
// without kReluBits.
inline bool can_fuse_relu(std::size_t depth, const std::int32_t* begin, const float* multiplier, std::size_t count) {
  constexpr std::size_t kProduct = 255 * 128, kMost = 1 << 23;
  if (depth > kMost / kProduct) return false;
  const auto most = static_cast<std::int32_t>(kMost - depth * kProduct);
  int others = 0;
  for (std::size_t i = 0; i < count; ++i) {
    others |= (begin[i] < -most) | (begin[i] > most) | !(multiplier[i] >= 0.0f) | !(multiplier[i] < 1.0f);
  }
  return others == 0;
}

}  // namespace
}  // namespace octavo
