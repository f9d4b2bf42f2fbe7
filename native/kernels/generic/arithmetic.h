// Arithmetic on two rows of float32. A step of 0 repeats an operand's first value.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

// A block of an operand; its last, shorter one comes through memory of its own.
template <class Isa>
OCTAVO_INLINE void take(const float* p, std::size_t step, std::size_t count,
                        typename Isa::Floats (&v)[kRegisters<Isa>]) {
  float padded[kBlock] = {};
  if (step != 0 && count < kBlock) {
    std::memcpy(padded, p, count * sizeof(float));
    p = padded;
  }
  OCTAVO_UNROLL
  for (int r = 0; r < kRegisters<Isa>; ++r) v[r] = step == 0 ? Isa::all(*p) : Isa::load(p + r * Isa::kLanes);
}

template <class Isa, class Body>
OCTAVO_INLINE void each_pair(const Pair& pair, Body body) {
  for (std::size_t i = 0; i < pair.count; i += kBlock) {
    const std::size_t count = pair.count - i < kBlock ? pair.count - i : kBlock;
    typename Isa::Floats a[kRegisters<Isa>], b[kRegisters<Isa>];
    take<Isa>(pair.a + i * pair.a_step, pair.a_step, count, a);
    take<Isa>(pair.b + i * pair.b_step, pair.b_step, count, b);
    float whole[kBlock];
    float* to = count == kBlock ? pair.c + i : whole;
    OCTAVO_UNROLL
    for (int r = 0; r < kRegisters<Isa>; ++r) Isa::store(to + r * Isa::kLanes, body(a[r], b[r]));
    if (count < kBlock) std::memcpy(pair.c + i, whole, count * sizeof(float));
  }
}

template <class Isa>
void combine(Arithmetic arithmetic, const Pair& pair) {
  using Floats = typename Isa::Floats;
  switch (arithmetic) {
    case Arithmetic::kAdd:
      return each_pair<Isa>(pair, [](Floats a, Floats b) OCTAVO_LAMBDA { return Isa::add(a, b); });
    case Arithmetic::kSub:
      return each_pair<Isa>(pair, [](Floats a, Floats b) OCTAVO_LAMBDA { return Isa::subtract(a, b); });
    case Arithmetic::kMul:
      return each_pair<Isa>(pair, [](Floats a, Floats b) OCTAVO_LAMBDA { return Isa::multiply(a, b); });
    case Arithmetic::kDiv:
      return each_pair<Isa>(pair, [](Floats a, Floats b) OCTAVO_LAMBDA { return Isa::divide(a, b); });
    case Arithmetic::kMax:
      return each_pair<Isa>(pair, [](Floats a, Floats b) OCTAVO_LAMBDA { return Isa::where_less(a, b, b, a); });
    case Arithmetic::kMin:
      return each_pair<Isa>(pair, [](Floats a, Floats b) OCTAVO_LAMBDA { return Isa::where_less(b, a, b, a); });
  }
}

}  // namespace
}  // namespace octavo
