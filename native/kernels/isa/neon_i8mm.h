// NEON with SMMLA, which multiplies two rows of eight by two columns of eight.
//
// Latency / reciprocal throughput in cycles: LLVM's models of Neoverse N2 and V1, which follow Arm's Software
// Optimization Guides; Neoverse N1 has no SMMLA.
//
//   instruction    what it does                                        N2         V1
//   SMMLA          2 x 2 block of s32 += (2 x 8) s8 * (8 x 2) s8,      3 / 0.5    3 / 0.25
//                  without saturation
//   ZIP1 ZIP2      32-bit lanes of two registers interleaved           2 / 0.5    2 / 0.25
//
// One SMMLA passes its accumulator on to the next after 1 cycle. The accumulator wraps; signedness is as in neon.h.
#pragma once

#include "kernels/isa/neon.h"

namespace octavo {
namespace {

struct neon_i8mm : neon {
  static constexpr char kName[] = "neon_i8mm";
  static constexpr CpuFeatures kFeatures = kI8mm;

  // Products: a register of the rhs holds eight k of two columns, zipped from two groups; one of the lhs, eight k of
  // two rows; an accumulator, the 2 x 2 sums row by row.
  static constexpr int kRowStep = 2, kDepth = 8;
  static constexpr int tile_rows(int) { return 6; }
  using RhsRegister = int8x16_t;

  static Accumulator start(const std::int32_t* p, int v) {
    const int32x2_t first = vld1_s32(p + 2 * v);
    return vcombine_s32(first, first);
  }
  static int8x16_t lhs(const Lhs* const* rows, std::size_t at, int) {
    return vcombine_s8(vld1_s8(rows[0] + at), vld1_s8(rows[1] + at));
  }
  static RhsRegister rhs(const std::int8_t* p, int v, int) {
    const int32x4_t first = vreinterpretq_s32_s8(vld1q_s8(p + v / 2 * 16));
    const int32x4_t second = vreinterpretq_s32_s8(vld1q_s8(p + v / 2 * 16 + 64));
    return vreinterpretq_s8_s32(v % 2 == 0 ? vzip1q_s32(first, second) : vzip2q_s32(first, second));
  }
  static Accumulator dot(Accumulator sums, int8x16_t left, RhsRegister right) { return vmmlaq_s32(sums, left, right); }
  static void store_accumulators(std::int32_t* p, std::size_t row_stride, const Accumulator* sums) {
    for (int i = 0; i < 4; ++i) {
      store(p + 4 * i, vcombine_s32(vget_low_s32(sums[2 * i]), vget_low_s32(sums[2 * i + 1])));
      store(p + row_stride + 4 * i, vcombine_s32(vget_high_s32(sums[2 * i]), vget_high_s32(sums[2 * i + 1])));
    }
  }
};

}  // namespace
}  // namespace octavo
