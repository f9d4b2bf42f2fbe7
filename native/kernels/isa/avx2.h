// AVX2: eight lanes of 32 bits.
//
// The main instructions, with latency / reciprocal throughput of the 256-bit form in cycles. Ice Lake: uops.info (as in
// OSACA's icl.yml); Zen 4: InstLatx64, Ryzen 9 7950X.
//
//   instruction    what it does                                        Ice Lake   Zen 4
//   VPMADDWD       s16 * s16, pairs added to s32                       5 / 0.5    3 / 0.5
//   VPADDD         s32 + s32                                           1 / 0.33   1 / 0.25
//   VPMOVZXBW      u8 zero-extended to 16 bits                         3 / 1      2 / 0.5
//   VPSHUFB        shuffles bytes within each 128-bit half             1 / 0.5    2 / 0.5
//   VPSRAW         s16 >> constant                                     1 / 0.5    1 / 0.5
//   VCVTDQ2PS      s32 to float32                                      4 / 0.5    3 / 0.5
//   VMULPS VADDPS  float32 arithmetic                                  4 / 0.5    3 / 0.5
//   VPACKUSDW      s32 to u16, saturating, within each 128-bit half    3 / 1      2 / 0.5
//
// VPMADDUBSW would multiply u8 by s8 and add pairs in one step, but it saturates to 16 bits, and
// 2 * 255 * 127 = 64770 > 32767. After widening to 16 bits, VPMADDWD adds each pair exactly in 32 bits: the sum is at
// most 2 * 255 * 128 in magnitude. add_fours does use VPMADDUBSW, with ones as the u8 operand: its pairs lie in
// [-256, 254] and never saturate.
//
// Signedness: the lhs is read as u8. The sign bit of a signed lhs is flipped, which adds 128 to every value; the zero
// point is raised by 128 as well, so every difference x - zero_point is unchanged.
#pragma once

#include <immintrin.h>

#include "kernels/cpu.h"
#include "kernels/generic/block.h"
#include "kernels/generic/step.h"

namespace octavo {
namespace {

struct avx2_widened;

struct avx2 {
  static constexpr char kName[] = "avx2";
  static constexpr CpuFeatures kFeatures = kAvx2;
  static constexpr int kLanes = 8;
  using Ints = __m256i;
  using Floats = __m256;

  static Floats load(const float* p) { return _mm256_loadu_ps(p); }
  static Ints load(const std::int32_t* p) { return _mm256_loadu_si256((const __m256i*)p); }
  static Ints widen(const std::uint8_t* p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p)); }
  static Ints widen(const std::int8_t* p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)); }
  static void store(float* p, Floats v) { _mm256_storeu_ps(p, v); }
  static void store(std::int32_t* p, Ints v) { _mm256_storeu_si256((__m256i*)p, v); }
  static void store_low_bytes(std::uint8_t* p, const Ints (&v)[2]) {
    const __m256i byte = _mm256_set1_epi32(0xff);
    const __m256i words = _mm256_packus_epi32(_mm256_and_si256(v[0], byte), _mm256_and_si256(v[1], byte));
    // Packing works within each 128-bit half, so the four quarters come out in the order 0 2 1 3.
    const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
    _mm_storeu_si128((__m128i*)p, bytes);
  }

  static Ints all(std::int32_t v) { return _mm256_set1_epi32(v); }
  static Floats all(float v) { return _mm256_set1_ps(v); }

  static Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
  static Ints subtract(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
  static Ints multiply(Ints a, Ints b) { return _mm256_mullo_epi32(a, b); }
  static Ints bit_and(Ints a, Ints b) { return _mm256_and_si256(a, b); }
  static Ints shift_right(Ints v, int bits) { return _mm256_sra_epi32(v, _mm_cvtsi32_si128(bits)); }
  // Unsigned.
  static Ints smaller(Ints a, Ints b) { return _mm256_min_epu32(a, b); }
  static bool any_below(Ints v, Ints bound) {
    return _mm256_movemask_epi8(_mm256_cmpeq_epi32(_mm256_max_epu32(v, bound), v)) != -1;
  }
  static Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
  static Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
  static Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  static Floats bit_or(Floats a, Floats b) { return _mm256_or_ps(a, b); }

  // If v is NaN, the result is the bound: the instruction then returns its second operand.
  static Floats min(Floats v, Floats bound) { return _mm256_min_ps(v, bound); }
  static Floats max(Floats v, Floats bound) { return _mm256_max_ps(v, bound); }

  static Floats to_floats(Ints v) { return _mm256_cvtepi32_ps(v); }
  static Ints round(Floats v) { return _mm256_cvtps_epi32(v); }

  static Floats absolute(Floats v) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v); }
  static Floats without_nans(Floats x) { return _mm256_and_ps(x, _mm256_cmp_ps(x, x, _CMP_ORD_Q)); }
  // Rounded twice; used only where the result is exact or checked afterwards.
  static Floats multiply_add(Floats a, Floats b, Floats c) { return add(multiply(a, b), c); }
  static bool any_at_least(Floats v, Floats bound) {
    return _mm256_movemask_ps(_mm256_cmp_ps(v, bound, _CMP_GE_OQ)) != 0;
  }
  // Adds the upper half of the lanes to the lower half until one lane is left.
  static float total(Floats v) { return total(_mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1))); }
  static float total(__m128 v) {
    v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
  }
  static float largest(Floats v) { return largest(_mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1))); }
  static float largest(__m128 v) {
    v = _mm_max_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
  }
  static Floats divide(Floats a, Floats b) { return _mm256_div_ps(a, b); }
  static Floats square_root(Floats v) { return _mm256_sqrt_ps(v); }
  // Propagates NaN.
  static Floats clamp(Floats v, Floats low, Floats high) { return _mm256_min_ps(high, _mm256_max_ps(low, v)); }
  static Floats at_least(Floats v, Floats low) { return _mm256_max_ps(low, v); }
  static Floats where_less(Floats a, Floats b, Floats yes, Floats no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
  }
  static Floats nearest(Floats v) { return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  // v * 2^n for an integer n in [-252, 254], in two products, the first of which is exact.
  static Floats scale(Floats v, Floats n) {
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    return multiply(multiply(v, power(half)), power(subtract(whole, half)));
  }
  static Floats power(Ints n) { return _mm256_castsi256_ps(_mm256_slli_epi32(add(n, all(127)), 23)); }
  // Adds the four bytes of each column to its sum.
  static Ints add_fours(Ints sums, const std::int8_t* p) {
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), _mm256_loadu_si256((const __m256i*)p));
    return add(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  // Interleaves sixteen bytes of each of four rows, column by column.
  static void interleave_rows(const std::uint8_t* const (&rows)[4], std::uint8_t flip, std::int8_t* p) {
    const __m128i top = _mm_set1_epi8(static_cast<char>(flip));
    const __m128i a = _mm_loadu_si128((const __m128i*)rows[0]), b = _mm_loadu_si128((const __m128i*)rows[1]);
    const __m128i c = _mm_loadu_si128((const __m128i*)rows[2]), d = _mm_loadu_si128((const __m128i*)rows[3]);
    const __m128i ab[] = {_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b)};
    const __m128i cd[] = {_mm_unpacklo_epi8(c, d), _mm_unpackhi_epi8(c, d)};
    for (int i = 0; i < 2; ++i) {
      _mm_storeu_si128((__m128i*)(p + 32 * i), _mm_xor_si128(_mm_unpacklo_epi16(ab[i], cd[i]), top));
      _mm_storeu_si128((__m128i*)(p + 32 * i + 16), _mm_xor_si128(_mm_unpackhi_epi16(ab[i], cd[i]), top));
    }
  }

  static Ints to_grid_exactly(Floats x, const Step& step) {
    const __m256 numbers = without_nans(x);
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

  // Sixteen shuffles, each of sixteen table entries, would take longer than looking up bytes one by one.
  static constexpr std::size_t kTableBytes = 1;

  // Products of 16-bit values, whose pairs VPMADDWD adds exactly in 32 bits. A step has two parts: the first two and
  // the last two of the four k of a group.
  static constexpr int kTilePanels = 1, kVectorPanels = 2;
  static constexpr int tile_rows(int panels) { return panels == 1 ? 6 : 1; }
  static constexpr int kRowStep = 1, kDepth = 4, kParts = 2, kPanelRegisters = 2;
  static constexpr bool kLhsSigned = false;
  using Lhs = std::int16_t;
  using Accumulator = __m256i;
  using RhsRegister = __m256i;

  static void convert(const std::uint8_t* row, std::uint8_t flip, Lhs* to) {
    const __m128i bytes = _mm_xor_si128(_mm_loadu_si128((const __m128i*)row), _mm_set1_epi8(static_cast<char>(flip)));
    _mm256_storeu_si256((__m256i*)to, _mm256_cvtepu8_epi16(bytes));
  }
  static Accumulator start(const std::int32_t* p, int v) { return load(p + 8 * v); }
  static __m256i lhs(const Lhs* const* rows, std::size_t at, int part) { return four_bytes(rows[0] + at + 2 * part); }
  static RhsRegister rhs(const std::int8_t* p, int v, int part) {
    const __m256i bytes = _mm256_loadu_si256((const __m256i*)(p + 32 * v));
    // Moves each byte to the upper half of a 16-bit lane; the arithmetic shift then sign-extends it.
    const long long low = 0x0580048001800080, high = 0x0d800c8009800880;
    const long long first = part == 0 ? low : low + 0x0200020002000200, second = first + (high - low);
    return _mm256_srai_epi16(_mm256_shuffle_epi8(bytes, _mm256_setr_epi64x(first, second, first, second)), 8);
  }
  // Stores what rhs() returns for each register and part of a group of four k.
  using Widened = avx2_widened;
  static void widen_rhs(const std::int8_t* group, std::int8_t* to) {
    for (int i = 0; i < 4; ++i) _mm256_storeu_si256((__m256i*)(to + 32 * i), rhs(group, i / 2, i % 2));
  }
  static Accumulator dot(Accumulator sums, __m256i left, RhsRegister right) {
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(left, right));
    // Without this, GCC first adds the products of both parts to each other, and runs out of registers.
    asm("" : "+x"(sums));
    return sums;
  }
  static void store_accumulators(std::int32_t* p, std::size_t, const Accumulator* sums) {
    store(p, sums[0]);
    store(p + 8, sums[1]);
  }

  static __m256i four_bytes(const void* p) {
    std::int32_t bytes;
    std::memcpy(&bytes, p, sizeof bytes);
    return _mm256_set1_epi32(bytes);
  }
};

// The same for weights that widen_rhs has widened.
struct avx2_widened : avx2 {
  static constexpr std::size_t kRhsSize = 2;
  static RhsRegister rhs(const std::int8_t* p, int v, int part) {
    return _mm256_loadu_si256((const __m256i*)(p + 32 * (2 * v + part)));
  }
};

}  // namespace
}  // namespace octavo
