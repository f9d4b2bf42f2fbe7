// AVX-512 with VNNI: sixteen lanes of 32 bits, masks.
//
// The main instructions, with latency / reciprocal throughput of the 512-bit form in cycles. Ice Lake, client cores:
// uops.info (as in OSACA's icl.yml); Zen 4: InstLatx64, Ryzen 9 7950X. Server cores of Ice Lake have a second 512-bit
// multiplier, which halves the reciprocal throughput of the first two (LLVM's model) and of the next two (OSACA's
// icx.yml), not of the others.
//
//   instruction    what it does                                          Ice Lake   Zen 4
//   VPDPBUSD       s32 += four u8 * s8, without saturation               5 / 1      4 / 1
//   VCVTDQ2PS      s32 to float32                                        4 / 1      3 / 1
//   VMULPS         float32 product                                       4 / 1      3 / 1
//   VFMADD213PS    float32 product and sum, rounded once                 4 / 1      4 / 1
//   VPACKSSDW      s32 to s16, saturating, within each 128-bit quarter   3 / 1      2 / 1
//   VPACKSSWB      s16 to s8, saturating, within each 128-bit quarter    3 / 1      2 / 1
//   VPERMD         permutes 32-bit lanes across the register             3 / 1      5 / 1
//
// Signedness: VPDPBUSD takes u8 * s8, so the lhs is read as u8. The sign bit of a signed lhs is flipped, which adds 128
// to every value; the zero point is raised by 128 as well, so every difference x - zero_point is unchanged. The four
// products of a step add up to at most 4 * 255 * 128 in magnitude, and the s32 accumulator wraps (VPDPBUSDS would
// saturate).
//
// Saturation in the epilogue: values are packed with saturation to 16 and then to 8 bits, and afterwards clipped to the
// grid. Saturation is monotonic and the grid lies within 8 bits, so it never changes a clipped result.
#pragma once

#include <immintrin.h>

#include "kernels/cpu.h"
#include "kernels/generic/block.h"
#include "kernels/generic/step.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

// VPSHUFB indices that interleave planes: for each plane and each output register, the source of each byte; an index of
// -1 yields zero.
template <int Channels>
struct Places {
  alignas(16) std::int8_t from[Channels * Channels][16] = {};

  constexpr Places() {
    for (int i = 0; i < Channels * Channels * 16; ++i) {
      const int c = i / 16 / Channels, at = i % (Channels * 16);
      from[i / 16][i % 16] = static_cast<std::int8_t>(at % Channels == c ? at / Channels : -1);
    }
  }
};
template <int Channels>
constexpr Places<Channels> kPlaces;

struct avx512_vnni {
  static constexpr char kName[] = "avx512_vnni";
  static constexpr CpuFeatures kFeatures = kAvx512F | kAvx512Dq | kAvx512Bw | kAvx512Vl | kAvx512Vnni;
  static constexpr int kLanes = 16;
  using Ints = __m512i;
  using Accumulator = __m512i;
  using Floats = __m512;

  static Floats load(const float* p) { return _mm512_loadu_ps(p); }
  static Ints load(const std::int32_t* p) { return _mm512_loadu_si512(p); }
  static Ints widen(const std::uint8_t* p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)); }
  static Ints widen(const std::int8_t* p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p)); }
  // Fewer than sixteen; the remaining lanes are zero.
  static Ints widen_first(const std::uint8_t* p, std::size_t count) {
    return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first(count), p));
  }
  static Ints widen_first(const std::int8_t* p, std::size_t count) {
    return _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(first(count), p));
  }
  // The remaining lanes are `fill`.
  static Floats load_first(const float* p, std::size_t count, float fill) {
    return _mm512_mask_loadu_ps(all(fill), first(count), p);
  }
  static void store_first(float* p, std::size_t count, Floats v) { _mm512_mask_storeu_ps(p, first(count), v); }
  static void store_first(std::uint8_t* p, std::size_t count, Ints v) {
    _mm512_mask_cvtepi32_storeu_epi8(p, first(count), v);
  }
  static __mmask16 first(std::size_t count) { return static_cast<__mmask16>((1u << count) - 1); }
  static void store(float* p, Floats v) { _mm512_storeu_ps(p, v); }
  static void store(std::int32_t* p, Ints v) { _mm512_storeu_si512(p, v); }
  static void store_low_bytes(std::uint8_t* p, const Ints (&v)[1]) {
    _mm_storeu_si128((__m128i*)p, _mm512_cvtepi32_epi8(v[0]));
  }

  static Ints all(std::int32_t v) { return _mm512_set1_epi32(v); }
  static Floats all(float v) { return _mm512_set1_ps(v); }

  static Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  static Ints subtract(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
  static Ints multiply(Ints a, Ints b) { return _mm512_mullo_epi32(a, b); }
  static Ints bit_and(Ints a, Ints b) { return _mm512_and_si512(a, b); }
  static Ints shift_right(Ints v, int bits) { return _mm512_sra_epi32(v, _mm_cvtsi32_si128(bits)); }
  // Unsigned.
  static Ints smaller(Ints a, Ints b) { return _mm512_min_epu32(a, b); }
  static Ints larger(Ints a, Ints b) { return _mm512_max_epu32(a, b); }
  static bool any_at_least(Ints v, Ints bound) { return _mm512_cmpge_epu32_mask(v, bound) != 0; }
  static Ints as_bits(Floats v) { return _mm512_castps_si512(v); }
  static bool any_below(Ints v, Ints bound) { return _mm512_cmplt_epu32_mask(v, bound) != 0; }
  static Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
  static Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static Floats bit_or(Floats a, Floats b) { return _mm512_or_ps(a, b); }

  // If v is NaN, the result is the bound: the instruction then returns its second operand.
  static Floats min(Floats v, Floats bound) { return _mm512_min_ps(v, bound); }
  static Floats max(Floats v, Floats bound) { return _mm512_max_ps(v, bound); }

  static Floats to_floats(Ints v) { return _mm512_cvtepi32_ps(v); }
  static Ints round(Floats v) { return _mm512_cvtps_epi32(v); }

  static Floats absolute(Floats v) { return _mm512_abs_ps(v); }
  static Floats without_nans(Floats x) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x); }
  // Rounded once; used only where the result is exact or checked afterwards.
  static Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static bool any_at_least(Floats v, Floats bound) { return _mm512_cmp_ps_mask(v, bound, _CMP_GE_OQ) != 0; }
  // Adds the upper half of the lanes to the lower half until one lane is left.
  static float total(Floats v) {
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    quarter = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
    return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
  }
  static float largest(Floats v) { return _mm512_reduce_max_ps(v); }
  static Floats divide(Floats a, Floats b) { return _mm512_div_ps(a, b); }
  static Floats square_root(Floats v) { return _mm512_sqrt_ps(v); }
  // Propagates NaN.
  static Floats clamp(Floats v, Floats low, Floats high) { return _mm512_min_ps(high, _mm512_max_ps(low, v)); }
  static Floats at_least(Floats v, Floats low) { return _mm512_max_ps(low, v); }
  static Floats where_less(Floats a, Floats b, Floats yes, Floats no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
  }
  static Floats nearest(Floats v) { return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  // v * 2^n for an integer n.
  static Floats scale(Floats v, Floats n) { return _mm512_scalef_ps(v, n); }
  // Adds the four bytes of each column to its sum.
  static Ints add_fours(Ints sums, const std::int8_t* p) {
    return _mm512_dpbusd_epi32(sums, _mm512_set1_epi8(1), _mm512_loadu_si512(p));
  }
  // Interleaves sixteen bytes of each of four rows, column by column.
  static void interleave_rows(const std::uint8_t* const (&rows)[4], std::uint8_t flip, std::int8_t* p) {
    const __m128i a = _mm_loadu_si128((const __m128i*)rows[0]), b = _mm_loadu_si128((const __m128i*)rows[1]);
    const __m128i c = _mm_loadu_si128((const __m128i*)rows[2]), d = _mm_loadu_si128((const __m128i*)rows[3]);
    const __m256i ab = _mm256_set_m128i(_mm_unpackhi_epi8(a, b), _mm_unpacklo_epi8(a, b));
    const __m256i cd = _mm256_set_m128i(_mm_unpackhi_epi8(c, d), _mm_unpacklo_epi8(c, d));
    const __m256i low = _mm256_unpacklo_epi16(ab, cd), high = _mm256_unpackhi_epi16(ab, cd);
    const __m256i first = _mm256_permute2x128_si256(low, high, 0x20),
                  second = _mm256_permute2x128_si256(low, high, 0x31);
    const __m512i whole = _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
    _mm512_storeu_si512(p, _mm512_xor_si512(whole, _mm512_set1_epi8(static_cast<char>(flip))));
  }

  // Planes to pixels, kPixels at a time: the sixteen bytes in each quarter of a plane's register are spread over
  // Channels registers, at every Channels-th byte.
  static constexpr std::size_t kPixels = 64;
  template <int Channels>
  static void interleave_planes(const std::uint8_t* from, std::size_t plane, std::uint8_t flip, std::uint8_t* to) {
    __m512i pixels[Channels];
    each<Channels>([&](auto r) OCTAVO_LAMBDA { pixels[r] = _mm512_set1_epi8(static_cast<char>(flip)); });
    each<Channels>([&](auto c) OCTAVO_LAMBDA {
      const __m512i bytes = _mm512_loadu_si512(from + c * plane);
      each<Channels>([&](auto r) OCTAVO_LAMBDA {
        const __m128i places = _mm_load_si128((const __m128i*)kPlaces<Channels>.from[c * Channels + r]);
        pixels[r] = _mm512_xor_si512(pixels[r], _mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(places)));
      });
    });
    each<4 * Channels>([&](auto i) OCTAVO_LAMBDA {
      _mm_storeu_si128((__m128i*)(to + i * 16), _mm512_extracti32x4_epi32(pixels[i % Channels], i / Channels));
    });
  }
  static Ints to_grid_exactly(Floats x, const Step& step) {
    const __m512 numbers = without_nans(x);
    const __m256i low = rounded(_mm512_cvtps_pd(_mm512_castps512_ps256(numbers)), step);
    const __m256i high = rounded(_mm512_cvtps_pd(_mm512_extractf32x8_ps(numbers, 1)), step);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  }

  static __m256i rounded(__m512d x, const Step& step) {
    const __m512d snap = _mm512_set1_pd(kSnap);
    __m512d q = _mm512_mul_pd(x, _mm512_set1_pd(step.inverse));
    q = _mm512_min_pd(_mm512_max_pd(q, _mm512_set1_pd(step.low)), _mm512_set1_pd(step.high));
    return _mm512_cvtpd_epi32(_mm512_sub_pd(_mm512_add_pd(q, snap), snap));
  }

  // Permuting bytes needs VBMI, so 16-bit lanes are permuted: they yield the pair of bytes that contains the entry.
  static constexpr std::size_t kTableBytes = 32;
  struct Table {
    __m512i quarters[4];
  };
  static Table table(const std::uint8_t* p) {
    return {
        {_mm512_loadu_si512(p), _mm512_loadu_si512(p + 64), _mm512_loadu_si512(p + 128), _mm512_loadu_si512(p + 192)}};
  }
  static void look_up(const Table& table, const std::uint8_t* x, std::uint8_t* y) {
    const __m512i i = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)x)), pair = _mm512_srli_epi16(i, 1);
    const __m512i low = _mm512_permutex2var_epi16(table.quarters[0], pair, table.quarters[1]);
    const __m512i high = _mm512_permutex2var_epi16(table.quarters[2], pair, table.quarters[3]);
    const __m512i found = _mm512_mask_blend_epi16(_mm512_test_epi16_mask(i, _mm512_set1_epi16(0x80)), low, high);
    const __mmask32 odd = _mm512_test_epi16_mask(i, _mm512_set1_epi16(1));
    _mm256_storeu_si256((__m256i*)y, _mm512_cvtepi16_epi8(_mm512_mask_srli_epi16(found, odd, found, 8)));
  }

  static constexpr bool kPacksBytes = true;  // by Clipped and FusedRelu

  // Depthwise: 64 channels and four kernel positions at a time. Register k holds channels 4k to 4k + 3 of each group of
  // sixteen; packing restores their order.
  static constexpr int kChannels = 64;
  static constexpr std::size_t channel(std::size_t i) { return i / 4 % 4 * 16 + i / 16 * 4 + i % 4; }

  static __m512i bytes(const std::uint8_t* p) { return _mm512_loadu_si512(p); }
  // Keeps a value in a register; otherwise the compiler would read it from memory for each use.
  template <class Register>
  static OCTAVO_INLINE Register pin(Register v) {
    asm("" : "+v"(v));
    return v;
  }
  static __m512i all_bytes(int v) { return _mm512_set1_epi8(static_cast<char>(v)); }
  // The bytes [begin, end) of p, the others from `others`; nothing outside the range is read.
  static __m512i bytes_of(__m512i others, const std::uint8_t* p, std::ptrdiff_t begin, std::ptrdiff_t end) {
    const __mmask64 behind = begin < 64 ? ~__mmask64{0} << begin : 0;
    const __mmask64 before = end >= 64 ? ~__mmask64{0} : end > 0 ? ~(~__mmask64{0} << end) : 0;
    return _mm512_mask_loadu_epi8(others, behind & before, p);
  }
  static __m512i flip(__m512i bytes, std::uint8_t flip) {
    return _mm512_xor_si512(bytes, _mm512_set1_epi8(static_cast<char>(flip)));
  }
  static OCTAVO_INLINE void interleave(__m512i w, __m512i x, __m512i y, __m512i z, __m512i (&to)[4]) {
    const __m512i a = _mm512_unpacklo_epi8(w, x), b = _mm512_unpacklo_epi8(y, z);
    const __m512i c = _mm512_unpackhi_epi8(w, x), d = _mm512_unpackhi_epi8(y, z);
    to[0] = _mm512_unpacklo_epi16(a, b);
    to[1] = _mm512_unpackhi_epi16(a, b);
    to[2] = _mm512_unpacklo_epi16(c, d);
    to[3] = _mm512_unpackhi_epi16(c, d);
  }
  static OCTAVO_INLINE void store_bytes(__m512i bytes, std::size_t channels, std::uint8_t* c) {
    if (channels >= kChannels) return _mm512_storeu_si512(c, bytes);
    _mm512_mask_storeu_epi8(c, ~__mmask64{0} >> (64 - channels), bytes);
  }
  // Accumulators to bytes, clipped to any grid, or by FusedRelu to one that starts at 0 (relu_epilogue.h). Packing
  // saturates first to 16 bits, and works within each quarter of a register.
  struct Clipped {
    static constexpr bool kFlips = true, kLeavesRegisters = false;
    __m512 most;
    __m512i zero_point, low, high, flip;  // for signed bytes; those of an unsigned grid are flipped at the end
    explicit Clipped(const Clip& to)
        : most(_mm512_set1_ps(static_cast<float>(to.high - to.zero_point))),
          zero_point(_mm512_set1_epi16(static_cast<short>(to.zero_point - (to.is_signed ? 0 : 128)))),
          low(all_bytes(to.low - (to.is_signed ? 0 : 128))),
          high(all_bytes(to.high - (to.is_signed ? 0 : 128))),
          flip(all_bytes(to.is_signed ? 0 : 128)) {}
    // With the bound as first operand, min propagates NaN. The conversion turns NaN and values below the range of int32
    // into the smallest int32.
    OCTAVO_INLINE __m512i rounded(__m512i sums, __m512 multiplier, __m512) const {
      const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), multiplier);
      return _mm512_cvtps_epi32(_mm512_min_ps(most, scaled));
    }
    OCTAVO_INLINE __m512i bytes(const __m512i (&q)[4]) const {
      const __m512i first = _mm512_adds_epi16(_mm512_packs_epi32(q[0], q[1]), zero_point);
      const __m512i second = _mm512_adds_epi16(_mm512_packs_epi32(q[2], q[3]), zero_point);
      const __m512i clipped = _mm512_min_epi8(_mm512_max_epi8(_mm512_packs_epi16(first, second), low), high);
      return _mm512_xor_si512(clipped, flip);
    }
  };
  struct FusedRelu {
    static constexpr bool kFlips = false, kLeavesRegisters = true;
    __m512i high;
    explicit FusedRelu(const Clip& to) : high(_mm512_set1_epi8(static_cast<char>(to.high))) {}
    OCTAVO_INLINE __m512i rounded(__m512i sums, __m512 multiplier, __m512 offset) const {
      return _mm512_cvtps_epi32(_mm512_fmadd_ps(_mm512_castsi512_ps(sums), multiplier, offset));
    }
    OCTAVO_INLINE __m512i bytes(const __m512i (&q)[4]) const {
      const __m512i words[] = {_mm512_packs_epi32(q[0], q[1]), _mm512_packs_epi32(q[2], q[3])};
      return _mm512_min_epu8(_mm512_packus_epi16(words[0], words[1]), high);
    }
  };
  // Restores the order of the columns of four packed panels.
  static OCTAVO_INLINE __m512i in_a_row(__m512i bytes) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, bytes);
  }

  // Products: VPDPBUSD. A tile of six rows and four panels takes 24 of the 32 registers.
  static constexpr int kTilePanels = 4, kVectorPanels = 8;
  static constexpr int tile_rows(int panels) {
    return panels > 4 ? 1 : panels > 2 ? 24 / panels : panels == 2 ? 8 : 16;
  }
  static constexpr int residual_rows(int panels) { return panels > 4 ? 1 : panels > 2 ? 20 / panels : 8; }
  static constexpr int kRowStep = 1, kDepth = 4, kParts = 1, kPanelRegisters = 1;
  static constexpr int kLineRows = 16;
  static constexpr bool kOverlapsEpilogue = true;
  static constexpr bool kLhsSigned = false;
  using Lhs = std::uint8_t;
  using RhsRegister = __m512i;

  static void convert(const std::uint8_t* row, std::uint8_t flip, Lhs* to) {
    const __m128i bytes = _mm_loadu_si128((const __m128i*)row);
    _mm_storeu_si128((__m128i*)to, _mm_xor_si128(bytes, _mm_set1_epi8(static_cast<char>(flip))));
  }
  static Accumulator start(const std::int32_t* p, int) { return load(p); }
  static __m512i lhs(const Lhs* const* rows, std::size_t at, int) {
    std::int32_t bytes;
    std::memcpy(&bytes, rows[0] + at, sizeof bytes);
    return _mm512_set1_epi32(bytes);
  }
  static RhsRegister rhs(const std::int8_t* p, int, int) { return _mm512_loadu_si512(p); }
  static Accumulator dot(Accumulator sums, __m512i left, RhsRegister right) {
    return _mm512_dpbusd_epi32(sums, left, right);
  }
  static void store_accumulators(std::int32_t* p, std::size_t, const Accumulator* sums) { store(p, sums[0]); }
};

}  // namespace
}  // namespace octavo
