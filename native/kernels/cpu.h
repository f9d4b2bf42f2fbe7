// Processor features that instruction sets require, by name.
#pragma once

#include <cstdint>

namespace octavo {

// A set of features: several are combined with |.
using CpuFeatures = std::uint32_t;

// x86.
inline constexpr CpuFeatures kAvx2 = 1 << 0;
inline constexpr CpuFeatures kAvxVnni = 1 << 1;
inline constexpr CpuFeatures kAvx512F = 1 << 2;
inline constexpr CpuFeatures kAvx512Dq = 1 << 3;
inline constexpr CpuFeatures kAvx512Bw = 1 << 4;
inline constexpr CpuFeatures kAvx512Vl = 1 << 5;
inline constexpr CpuFeatures kAvx512Vnni = 1 << 6;
// aarch64.
inline constexpr CpuFeatures kDotProd = 1 << 7;
inline constexpr CpuFeatures kI8mm = 1 << 8;

// Whether this processor has all of them and the operating system saves the registers that they use.
bool has_features(CpuFeatures features);

}  // namespace octavo
