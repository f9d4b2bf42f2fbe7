// Arithmetic on two rows of float32. A step of 0 broadcasts an operand's first value.
#pragma once

#include "kernels/generic/row.h"

namespace octavo {
namespace {

template <class Isa, class Body>
OCTAVO_INLINE void each_pair(const Pair& pair, const Body& body) {
  const float* a = pair.a;
  const float* b = pair.b;
  Block<Isa> left_values, right_values;
  // A broadcast operand keeps this value.
  fill<Isa>(left_values, *a);
  fill<Isa>(right_values, *b);
  each_part_of_row(pair.count, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
    if (pair.a_step != 0) load_block<Isa>(a + i, left, 0.0f, left_values);
    if (pair.b_step != 0) load_block<Isa>(b + i, left, 0.0f, right_values);
    Block<Isa> result;
    each<kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA { result[r] = body(left_values[r], right_values[r]); });
    store_block<Isa>(result, left, pair.c + i);
  });
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
