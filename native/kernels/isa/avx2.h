// AVX2: eight lanes.
#pragma once

#include <immintrin.h>

#include "kernels/generic/block.h"
#include "kernels/generic/step.h"

namespace octavo {
namespace {

struct avx2 {
  static constexpr char kName[] = "avx2";
  static constexpr Needs kNeeds{{{7, 0, kEbx, 5}}, 1, kYmmState};
  static constexpr int kLanes = 8;
  using Ints = __m256i;
  using Floats = __m256;

  static Floats load(const float* p) { return _mm256_loadu_ps(p); }
  static Ints widen(const std::uint8_t* p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p)); }
  static Ints widen(const std::int8_t* p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)); }
  static void store(float* p, Floats v) { _mm256_storeu_ps(p, v); }
  static void store_low_bytes(std::uint8_t* p, const Ints (&v)[2]) {
    const __m256i byte = _mm256_set1_epi32(0xff);
    const __m256i words = _mm256_packus_epi32(_mm256_and_si256(v[0], byte), _mm256_and_si256(v[1], byte));
    // Packing stays within halves of a register: the four parts come as 0 2 1 3.
    const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
    _mm_storeu_si128((__m128i*)p, bytes);
  }

  static Ints all(std::int32_t v) { return _mm256_set1_epi32(v); }
  static Floats all(float v) { return _mm256_set1_ps(v); }

  static Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
  static Ints subtract(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
  static Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
  static Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  static Floats bit_or(Floats a, Floats b) { return _mm256_or_ps(a, b); }

  // Of NaN and a bound, the bound: the processor gives the second operand then.
  static Floats min(Floats v, Floats bound) { return _mm256_min_ps(v, bound); }
  static Floats max(Floats v, Floats bound) { return _mm256_max_ps(v, bound); }

  static Floats to_floats(Ints v) { return _mm256_cvtepi32_ps(v); }

  static Ints to_grid(Floats x, const Step& step) {
    const __m256 numbers = _mm256_and_ps(x, _mm256_cmp_ps(x, x, _CMP_ORD_Q));
    const __m128i low = rounded(_mm256_cvtps_pd(_mm256_castps256_ps128(numbers)), step);
    const __m128i high = rounded(_mm256_cvtps_pd(_mm256_extractf128_ps(numbers, 1)), step);
    return _mm256_set_m128i(high, low);
  }

  static __m128i rounded(__m256d x, const Step& step) {
    const __m256d snap = _mm256_set1_pd(kSnap);
    __m256d q = _mm256_mul_pd(x, _mm256_set1_pd(step.inverse));
    q = _mm256_min_pd(_mm256_max_pd(q, _mm256_set1_pd(step.low)), _mm256_set1_pd(step.high));
    return _mm256_cvtpd_epi32(_mm256_sub_pd(_mm256_add_pd(q, snap), snap));
  }
};

}  // namespace
}  // namespace octavo
