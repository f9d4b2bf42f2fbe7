// Sums of which all that is less than 0 becomes 0, on a grid that begins there: what a ReLU leaves.
//
// They may start at the bits of 2^23. Those of 0 to 2^23 are the bits of 2^23 + sum then, whose product less 2^23 times
// the multiplier is that of the sum, rounded once; and those from -2^23 on are the bits of less than 2^23, and still
// come to less than 0. So no sum is converted. With multipliers less than 1, no product leaves 32 bits.
#pragma once

#include "kernels/kernels.h"

namespace octavo {
namespace {

constexpr std::int32_t kReluBits = 0x4b000000;
constexpr float kReluOffset = -0x1p23f;  // times the multiplier

inline bool fuses_relu(const Gemm& gemm) { return gemm.zero_point == 0 && gemm.low == 0; }

// Whether sums of `depth` products of bytes may start so; begin is what else they start at.
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
