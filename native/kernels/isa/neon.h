// NEON as every aarch64 processor has it: four lanes of 32 bits.
//
// The main instructions, with latency / reciprocal throughput in cycles: LLVM's models of Neoverse N1 and V1, which
// follow Arm's Software Optimization Guides.
//
//   instruction    what it does                                        N1         V1
//   SMULL          eight s8 * s8 to s16                                4 / 1      3 / 0.5
//   SADALP         s32 += pairs of s16                                 4 / 1      4 / 0.5
//   ADDP           pairs of s32 added                                  2 / 0.5    2 / 0.25
//   SCVTF          s32 to float32                                      4 / 2      4 / 1
//   FCVTNS         float32 to s32, half to even                        4 / 2      4 / 1
//   TBL            look-up of sixteen bytes in a table of 64           4 / 1.5    4 / 1.5
//   TBX            the same; an index out of range keeps the byte      6 / 2.5    6 / 2.5
//
// On V1, one SADALP passes its accumulator on to the next after 1 cycle.
//
// Overflow: |s8 * s8| <= 16384 fits s16, even for -128 * -128, and SADALP adds pairs in 32 bits, so nothing saturates.
// Signedness: the lhs is read as s8. The top bit of a u8 lhs is flipped, which subtracts 128 from every value; the zero
// point is lowered by 128 as well, so every difference x - zero_point is unchanged.
#pragma once

#include <arm_neon.h>

#include "kernels/cpu.h"
#include "kernels/generic/block.h"
#include "kernels/generic/step.h"

namespace octavo {
namespace {

struct neon {
  static constexpr char kName[] = "neon";
  static constexpr CpuFeatures kFeatures = 0;
  static constexpr int kLanes = 4;
  using Ints = int32x4_t;
  using Floats = float32x4_t;

  static Floats load(const float* p) { return vld1q_f32(p); }
  static Ints load(const std::int32_t* p) { return vld1q_s32(p); }
  static Ints widen(const std::uint8_t* p) {
    const uint16x8_t words = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four_bytes(p))));
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words)));
  }
  static Ints widen(const std::int8_t* p) {
    return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four_bytes(p))))));
  }
  static std::uint32_t four_bytes(const void* p) {
    std::uint32_t bytes;
    std::memcpy(&bytes, p, sizeof bytes);
    return bytes;
  }
  static void store(float* p, Floats v) { vst1q_f32(p, v); }
  static void store(std::int32_t* p, Ints v) { vst1q_s32(p, v); }
  static void store_low_bytes(std::uint8_t* p, const Ints (&v)[4]) {
    const int16x8_t low = vcombine_s16(vmovn_s32(v[0]), vmovn_s32(v[1]));
    const int16x8_t high = vcombine_s16(vmovn_s32(v[2]), vmovn_s32(v[3]));
    vst1q_u8(p, vreinterpretq_u8_s8(vcombine_s8(vmovn_s16(low), vmovn_s16(high))));
  }

  static Ints all(std::int32_t v) { return vdupq_n_s32(v); }
  static Floats all(float v) { return vdupq_n_f32(v); }

  static Ints add(Ints a, Ints b) { return vaddq_s32(a, b); }
  static Ints subtract(Ints a, Ints b) { return vsubq_s32(a, b); }
  static Ints multiply(Ints a, Ints b) { return vmulq_s32(a, b); }
  static Ints bit_and(Ints a, Ints b) { return vandq_s32(a, b); }
  static Ints shift_right(Ints v, int bits) { return vshlq_s32(v, vdupq_n_s32(-bits)); }
  // Unsigned.
  static Ints smaller(Ints a, Ints b) {
    return vreinterpretq_s32_u32(vminq_u32(vreinterpretq_u32_s32(a), vreinterpretq_u32_s32(b)));
  }
  static bool any_below(Ints v, Ints bound) {
    return vmaxvq_u32(vcltq_u32(vreinterpretq_u32_s32(v), vreinterpretq_u32_s32(bound))) != 0;
  }
  static Floats add(Floats a, Floats b) { return vaddq_f32(a, b); }
  static Floats subtract(Floats a, Floats b) { return vsubq_f32(a, b); }
  static Floats multiply(Floats a, Floats b) { return vmulq_f32(a, b); }
  static Floats bit_or(Floats a, Floats b) {
    return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
  }

  // If v is NaN, the result is the bound.
  static Floats min(Floats v, Floats bound) { return vminnmq_f32(v, bound); }
  static Floats max(Floats v, Floats bound) { return vmaxnmq_f32(v, bound); }

  static Floats to_floats(Ints v) { return vcvtq_f32_s32(v); }
  static Ints round(Floats v) { return vcvtnq_s32_f32(v); }

  static Floats absolute(Floats v) { return vabsq_f32(v); }
  static Floats without_nans(Floats x) {
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), vceqq_f32(x, x)));
  }
  // Rounded twice; used only where the result is exact or checked afterwards.
  static Floats multiply_add(Floats a, Floats b, Floats c) { return add(multiply(a, b), c); }
  static bool any_at_least(Floats v, Floats bound) { return vmaxvq_u32(vcgeq_f32(v, bound)) != 0; }
  // Adds the upper half of the lanes to the lower half until one lane is left.
  static float total(Floats v) {
    const float32x2_t half = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    return vget_lane_f32(half, 0) + vget_lane_f32(half, 1);
  }
  static float largest(Floats v) { return vmaxvq_f32(v); }
  static Floats divide(Floats a, Floats b) { return vdivq_f32(a, b); }
  static Floats square_root(Floats v) { return vsqrtq_f32(v); }
  // Propagates NaN.
  static Floats clamp(Floats v, Floats low, Floats high) { return vminq_f32(vmaxq_f32(v, low), high); }
  static Floats at_least(Floats v, Floats low) { return vmaxq_f32(v, low); }
  static Floats where_less(Floats a, Floats b, Floats yes, Floats no) { return vbslq_f32(vcltq_f32(a, b), yes, no); }
  static Floats nearest(Floats v) { return vrndnq_f32(v); }
  // v * 2^n for an integer n in [-252, 254], in two products, the first of which is exact.
  static Floats scale(Floats v, Floats n) {
    const Ints whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1);
    return multiply(multiply(v, power(half)), power(subtract(whole, half)));
  }
  static Floats power(Ints n) { return vreinterpretq_f32_s32(vshlq_n_s32(add(n, all(127)), 23)); }
  // Adds the four bytes of each column to its sum.
  static Ints add_fours(Ints sums, const std::int8_t* p) { return vpadalq_s16(sums, vpaddlq_s8(vld1q_s8(p))); }
  // Interleaves sixteen bytes of each of four rows, column by column.
  static void interleave_rows(const std::uint8_t* const (&rows)[4], std::uint8_t flip, std::int8_t* p) {
    const uint8x16_t top = vdupq_n_u8(flip);
    const uint8x16x4_t four{{veorq_u8(vld1q_u8(rows[0]), top), veorq_u8(vld1q_u8(rows[1]), top),
                             veorq_u8(vld1q_u8(rows[2]), top), veorq_u8(vld1q_u8(rows[3]), top)}};
    vst4q_u8((std::uint8_t*)p, four);
  }

  static Ints to_grid_exactly(Floats x, const Step& step) {
    const Floats numbers = without_nans(x);
    return vcombine_s32(rounded(vcvt_f64_f32(vget_low_f32(numbers)), step), rounded(vcvt_high_f64_f32(numbers), step));
  }

  static int32x2_t rounded(float64x2_t x, const Step& step) {
    const float64x2_t snap = vdupq_n_f64(kSnap);
    float64x2_t q = vmulq_f64(x, vdupq_n_f64(step.inverse));
    q = vminnmq_f64(vmaxnmq_f64(q, vdupq_n_f64(step.low)), vdupq_n_f64(step.high));
    return vmovn_s64(vcvtnq_s64_f64(vsubq_f64(vaddq_f64(q, snap), snap)));
  }

  static constexpr std::size_t kTableBytes = 16;
  struct Table {
    uint8x16x4_t quarters[4];
  };
  static Table table(const std::uint8_t* p) {
    return {{vld1q_u8_x4(p), vld1q_u8_x4(p + 64), vld1q_u8_x4(p + 128), vld1q_u8_x4(p + 192)}};
  }
  // TBX keeps a byte whose index is outside its quarter of the table.
  static void look_up(const Table& table, const std::uint8_t* x, std::uint8_t* y) {
    const uint8x16_t i = vld1q_u8(x);
    uint8x16_t found = vqtbl4q_u8(table.quarters[0], i);
    found = vqtbx4q_u8(found, table.quarters[1], vsubq_u8(i, vdupq_n_u8(64)));
    found = vqtbx4q_u8(found, table.quarters[2], vsubq_u8(i, vdupq_n_u8(128)));
    vst1q_u8(y, vqtbx4q_u8(found, table.quarters[3], vsubq_u8(i, vdupq_n_u8(192))));
  }

  // Products: SMULL, then SADALP adds pairs to 32 bits, so that a register holds two partial sums of each of two
  // columns.
  static constexpr int kTilePanels = 1, kVectorPanels = 1;
  static constexpr int tile_rows(int) { return 3; }
  static constexpr int kRowStep = 1, kDepth = 4, kParts = 1, kPanelRegisters = 8;
  static constexpr bool kLhsSigned = true;
  using Lhs = std::int8_t;
  using Accumulator = int32x4_t;
  using RhsRegister = int8x8_t;

  static void convert(const std::uint8_t* row, std::uint8_t flip, Lhs* to) {
    vst1q_s8(to, vreinterpretq_s8_u8(veorq_u8(vld1q_u8(row), vdupq_n_u8(flip))));
  }
  static Accumulator start(const std::int32_t* p, int v) {
    const int32x2_t first = vld1_s32(p + 2 * v), zero = vdup_n_s32(0);
    return vcombine_s32(vzip1_s32(first, zero), vzip2_s32(first, zero));
  }
  static int8x8_t lhs(const Lhs* const* rows, std::size_t at, int) {
    return vreinterpret_s8_u32(vdup_n_u32(four_bytes(rows[0] + at)));
  }
  static RhsRegister rhs(const std::int8_t* p, int v, int) { return vld1_s8(p + 8 * v); }
  static Accumulator dot(Accumulator sums, int8x8_t left, RhsRegister right) {
    return vpadalq_s16(sums, vmull_s8(left, right));
  }
  static void store_accumulators(std::int32_t* p, std::size_t, const Accumulator* sums) {
    for (int i = 0; i < 4; ++i) store(p + 4 * i, vpaddq_s32(sums[2 * i], sums[2 * i + 1]));
  }
};

}  // namespace
}  // namespace octavo
