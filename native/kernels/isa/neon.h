// NEON as every aarch64 processor has it: four lanes.
#pragma once

#include <arm_neon.h>

#include "kernels/generic/block.h"
#include "kernels/generic/step.h"

namespace octavo {
namespace {

struct neon {
  static constexpr char kName[] = "neon";
  static constexpr Needs kNeeds{};
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
  static Floats add(Floats a, Floats b) { return vaddq_f32(a, b); }
  static Floats subtract(Floats a, Floats b) { return vsubq_f32(a, b); }
  static Floats multiply(Floats a, Floats b) { return vmulq_f32(a, b); }
  static Floats bit_or(Floats a, Floats b) {
    return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
  }

  // Of NaN and a bound, the bound.
  static Floats min(Floats v, Floats bound) { return vminnmq_f32(v, bound); }
  static Floats max(Floats v, Floats bound) { return vmaxnmq_f32(v, bound); }

  static Floats to_floats(Ints v) { return vcvtq_f32_s32(v); }
  static Ints round(Floats v) { return vcvtnq_s32_f32(v); }

  static Floats absolute(Floats v) { return vabsq_f32(v); }
  static Floats without_nans(Floats x) {
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), vceqq_f32(x, x)));
  }
  static bool any_at_least(Floats v, Floats bound) { return vmaxvq_u32(vcgeq_f32(v, bound)) != 0; }
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

  // Products: eight of s8 by s8 in 16 bits, which hold even -128 * -128; pairs of them are added to 32 bits. So a
  // register has two sums of each of two columns.
  static constexpr int kTilePanels = 1, kVectorPanels = 1;
  static constexpr int tile_rows(int) { return 3; }
  static constexpr int kRowStep = 1, kDepth = 4, kParts = 1, kPanelRegisters = 8;
  static constexpr bool kLeftSigned = true;
  using Left = std::int8_t;
  using Sums = int32x4_t;
  using RightRegister = int8x8_t;

  static void convert(const std::uint8_t* row, std::uint8_t flip, Left* to) {
    vst1q_s8(to, vreinterpretq_s8_u8(veorq_u8(vld1q_u8(row), vdupq_n_u8(flip))));
  }
  static Sums start(const std::int32_t* p, int v) {
    const int32x2_t first = vld1_s32(p + 2 * v), zero = vdup_n_s32(0);
    return vcombine_s32(vzip1_s32(first, zero), vzip2_s32(first, zero));
  }
  static int8x8_t left(const Left* const* rows, std::size_t at, int) {
    return vreinterpret_s8_u32(vdup_n_u32(four_bytes(rows[0] + at)));
  }
  static RightRegister right(const std::int8_t* p, int v, int) { return vld1_s8(p + 8 * v); }
  static Sums dot(Sums sums, int8x8_t left, RightRegister right) { return vpadalq_s16(sums, vmull_s8(left, right)); }
  static void store_sums(std::int32_t* p, std::size_t, const Sums* sums) {
    for (int i = 0; i < 4; ++i) store(p + 4 * i, vpaddq_s32(sums[2 * i], sums[2 * i + 1]));
  }
};

}  // namespace
}  // namespace octavo
