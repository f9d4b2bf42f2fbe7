// One row of a softmax: e^(x - max) over the sum of those; x has a mask added first, if there is one. To float32 or,
// through float32, to 8 bits.
#pragma once

#include "kernels/generic/exp.h"
#include "kernels/generic/row.h"

namespace octavo {
namespace {

// What the scores are; they are needed twice, so a sum with a mask is kept in y.
template <class Isa>
OCTAVO_INLINE float largest_score(const Softmax& s) {
  if (s.mask == nullptr) return row_max<Isa>(s.x, s.count);
  Block<Isa> most;
  fill<Isa>(most, -__builtin_inff());
  each_part_of_row(s.count, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
    Block<Isa> v, mask;
    load_block<Isa>(s.x + i, left, -__builtin_inff(), v);
    load_block<Isa>(s.mask + i, left, 0.0f, mask);
    join<Isa>(v, mask, Plus<Isa>());
    store_block<Isa>(v, left, s.y + i);
    each<kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA { most[r] = Isa::max(v[r], most[r]); });
  });
  return Isa::largest(halved<Isa>(most, Larger<Isa>()));
}

template <class Isa>
void softmax(const Softmax& s) {
  const auto largest = Isa::all(largest_score<Isa>(s));
  const float* x = s.mask == nullptr ? s.x : s.y;
  Block<Isa> sums;
  fill<Isa>(sums, 0.0f);
  each_part_of_row(s.count, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
    Block<Isa> v;
    // What is behind the end counts as nothing.
    load_block<Isa>(x + i, left, -__builtin_inff(), v);
    change<Isa>(v, [&](auto x) OCTAVO_LAMBDA { return exponential<Isa>(Isa::subtract(x, largest)); });
    store_block<Isa>(v, left, s.y + i);
    join<Isa>(sums, v, Plus<Isa>());
  });
  const auto share = Isa::all(1.0f / total<Isa>(sums));
  const Step step = step_of(s.mapping);
  each_part_of_row(s.count, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
    Block<Isa> v;
    load_block<Isa>(s.y + i, left, 0.0f, v);
    change<Isa>(v, [&](auto x) OCTAVO_LAMBDA { return Isa::multiply(x, share); });
    if (s.q != nullptr) {
      quantize_block<Isa>(v, left, step, s.mapping.zero_point, s.q + i);
    } else {
      store_block<Isa>(v, left, s.y + i);
    }
  });
}

}  // namespace
}  // namespace octavo
