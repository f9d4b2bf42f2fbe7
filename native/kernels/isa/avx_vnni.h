// AVX2 with the 256-bit VNNI instructions of processors that have no AVX-512.
//
//   instruction    what it does                          latency / reciprocal throughput, uops.info
//   VPDPBUSD ymm   s32 += four u8 * s8, without          Zen 4 (EVEX form) 4 / 0.5; Alder Lake P: see source
//                  saturation
//
// The four products of a step add up to at most 4 * 255 * 128 and the s32 accumulator wraps (VPDPBUSDS would saturate).
// The lhs is u8: a signed lhs has its sign bit flipped, and its zero point moved by 128 (avx2.h).
#pragma once

#include "kernels/isa/avx2.h"

namespace octavo {
namespace {

struct avx_vnni : avx2 {
  static constexpr char kName[] = "avx_vnni";
  static constexpr CpuFeatures kFeatures = kAvx2 | kAvxVnni;

  // Products: VPDPBUSD adds four of u8 by s8 to 32 bits.
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
