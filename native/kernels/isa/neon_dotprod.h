// NEON with SDOT.
//
// Latency / reciprocal throughput in cycles: LLVM's models of Neoverse N2 and V1, which follow Arm's Software
// Optimization Guides; the model of N1 has no entry of its own for SDOT.
//
//   instruction    what it does                                        N1    N2         V1
//   SDOT           s32 += four s8 * s8, without saturation             -     3 / 0.5    3 / 0.25
//
// One SDOT passes its accumulator on to the next after 1 cycle. The accumulator wraps; signedness is as in neon.h.
#pragma once

#include "kernels/isa/neon.h"

namespace octavo {
namespace {

struct neon_dotprod : neon {
  static constexpr char kName[] = "neon_dotprod";
  static constexpr CpuFeatures kFeatures = kDotProd;

  // Products: SDOT. A tile of six rows and one panel takes 24 of the 32 registers.
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
