// AVX2 with AVX-VNNI: 256-bit VNNI instructions that do not need AVX-512.
//
// Latency / reciprocal throughput in cycles: InstLatx64, Core i9-12900K (Alder Lake P) and Ryzen 9 9950X (Zen 5).
//
//   instruction    what it does                                Alder Lake P   Zen 5
//   VPDPBUSD       s32 += four u8 * s8, without saturation     5 / 0.5        4 / 0.5
//
// The four products of a step add up to at most 4 * 255 * 128 in magnitude, and the s32 accumulator wraps (VPDPBUSDS
// would saturate). The lhs is read as u8: the sign bit of a signed lhs is flipped and its zero point raised by 128
// (avx2.h).
#pragma once

#include "kernels/isa/avx2.h"

namespace octavo {
namespace {

struct avx_vnni : avx2 {
  static constexpr char kName[] = "avx_vnni";
  static constexpr CpuFeatures kFeatures = kAvx2 | kAvxVnni;

  // Products: VPDPBUSD.
  static constexpr int kParts = 1;
  using Lhs = std::uint8_t;
  using Widened = void;

  static void convert(const std::uint8_t* row, std::uint8_t flip, Lhs* to) {
    const __m128i bytes = _mm_loadu_si128((const __m128i*)row);
    _mm_storeu_si128((__m128i*)to, _mm_xor_si128(bytes, _mm_set1_epi8(static_cast<char>(flip))));
  }
  static __m256i lhs(const Lhs* const* rows, std::size_t at, int) { return four_bytes(rows[0] + at); }
  static RhsRegister rhs(const std::int8_t* p, int v, int) { return _mm256_loadu_si256((const __m256i*)(p + 32 * v)); }
  static Accumulator dot(Accumulator sums, __m256i left, RhsRegister right) {
    return _mm256_dpbusd_avx_epi32(sums, left, right);
  }
};

}  // namespace
}  // namespace octavo
