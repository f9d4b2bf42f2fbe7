// NEON with SDOT.
//
//   SDOT           s32 += four s8 * s8, without saturation
//
// Latency and throughput: Arm Neoverse N1 and Neoverse V1 Software Optimization Guides, "ASIMD dot product". The
// accumulator wraps; signedness is as in neon.h.
#pragma once

#include "kernels/isa/neon.h"

namespace octavo {
namespace {

struct neon_dotprod : neon {
  static constexpr char kName[] = "neon_dotprod";
  static constexpr CpuFeatures kFeatures = kDotProd;

  // Products: SDOT adds four of s8 by s8 to 32 bits. Six rows by one panel are 24 of the 32 registers.
  static constexpr int kVectorPanels = 2, kPanelRegisters = 4;
  static constexpr int tile_rows(int panels) { return panels == 1 ? 6 : 1; }
  using RhsRegister = int8x16_t;

  static Accumulator start(const std::int32_t* p, int v) { return load(p + 4 * v); }
  static int8x16_t lhs(const Lhs* const* rows, std::size_t at, int) {
    return vreinterpretq_s8_u32(vdupq_n_u32(four_bytes(rows[0] + at)));
  }
  static RhsRegister rhs(const std::int8_t* p, int v, int) { return vld1q_s8(p + 16 * v); }
  static Accumulator dot(Accumulator sums, int8x16_t left, RhsRegister right) { return vdotq_s32(sums, left, right); }
  static void store_accumulators(std::int32_t* p, std::size_t, const Accumulator* sums) {
    for (int i = 0; i < 4; ++i) store(p + 4 * i, sums[i]);
  }
};

}  // namespace
}  // namespace octavo
