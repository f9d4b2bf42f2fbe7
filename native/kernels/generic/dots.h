// The dot instruction on registers only: the peak throughput that GEMM is compared with.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/kernels.h"
#include "kernels/packing.h"

namespace octavo {
namespace {

// Independent accumulators, enough to hide the latency: at least the latency of the dot instruction times the number
// that start per cycle.
constexpr int kChains = 12;

// Hides a value from the optimizer, so that no product is moved out of the loop or removed.
template <class Register>
OCTAVO_INLINE void make_opaque(Register& value) {
#if defined(__aarch64__)
  asm volatile("" : "+w"(value));
#else
  asm volatile("" : "+v"(value));
#endif
}
template <class Value>
OCTAVO_INLINE void make_opaque(Value*& value) {
  asm volatile("" : "+r"(value));
}
OCTAVO_INLINE void make_opaque(std::int32_t& value) { asm volatile("" : "+r"(value)); }

// The right operand as a left operand: both have the same register type, and the values do not matter.
template <class Register>
OCTAVO_INLINE Register as_lhs(Register right) {
  return right;
}
OCTAVO_INLINE const std::uint8_t* as_lhs(const std::int8_t* right) {
  return reinterpret_cast<const std::uint8_t*>(right);
}

template <class Isa>
std::uint64_t dots(std::uint64_t rounds) {
  const std::int8_t b[2 * kGroupBytes] = {};
  const std::int32_t zeros[kBlock] = {};
  auto right = Isa::rhs(b, 0, 0);
  auto left = as_lhs(right);
  make_opaque(right);
  typename Isa::Accumulator sums[kChains];
  OCTAVO_UNROLL
  for (int i = 0; i < kChains; ++i) sums[i] = Isa::start(zeros, 0);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    OCTAVO_UNROLL
    for (int i = 0; i < kChains; ++i) {
      make_opaque(left);
      sums[i] = Isa::dot(sums[i], left, right);
    }
  }
  OCTAVO_UNROLL
  for (int i = 0; i < kChains; ++i) make_opaque(sums[i]);
  constexpr std::uint64_t kStep = Isa::kRowStep * Isa::kDepth * kPanelColumns / (Isa::kPanelRegisters * Isa::kParts);
  return rounds * kChains * kStep;
}

}  // namespace
}  // namespace octavo
