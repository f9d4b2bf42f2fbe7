// One row of a layer normalization (Ba et al. 2016): (v - mean) / sqrt(variance + epsilon) * scale + shift, where v is
// x, or x and a bias and a skip connection, added in that order. To float32, to 8 bits, or both.
#pragma once

#include "kernels/generic/row.h"

namespace octavo {
namespace {

// v, which is kept in y; its mean.
template <class Isa>
OCTAVO_INLINE float gather_row(const LayerNorm& n) {
  Block<Isa> sums;
  fill<Isa>(sums, 0.0f);
  each_part_of_row(n.size, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
    Block<Isa> v, other;
    load_block<Isa>(n.x + i, left, 0.0f, v);
    if (n.bias != nullptr) {
      load_block<Isa>(n.bias + i, left, 0.0f, other);
      join<Isa>(v, other, Plus<Isa>());
    }
    if (n.skip != nullptr) {
      load_block<Isa>(n.skip + i, left, 0.0f, other);
      join<Isa>(v, other, Plus<Isa>());
    }
    store_block<Isa>(v, left, n.y + i);
    join<Isa>(sums, v, Plus<Isa>());
  });
  return total<Isa>(sums) / static_cast<float>(n.size);
}

template <class Isa>
OCTAVO_INLINE float variance(const float* v, std::size_t size, float mean) {
  const auto middle = Isa::all(mean);
  Block<Isa> sums;
  fill<Isa>(sums, 0.0f);
  each_part_of_row(size, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
    Block<Isa> away;
    load_block<Isa>(v + i, left, mean, away);
    change<Isa>(away, [&](auto x) OCTAVO_LAMBDA {
      const auto d = Isa::subtract(x, middle);
      return Isa::multiply(d, d);
    });
    join<Isa>(sums, away, Plus<Isa>());
  });
  return total<Isa>(sums) / static_cast<float>(size);
}

template <class Isa>
void layer_norm(const LayerNorm& n) {
  const float mean = gather_row<Isa>(n);
  const auto middle = Isa::all(mean);
  const auto factor = Isa::all(1.0f / __builtin_sqrtf(variance<Isa>(n.y, n.size, mean) + n.epsilon));
  const Step step = step_of(n.mapping);
  each_part_of_row(n.size, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
    Block<Isa> v, other;
    load_block<Isa>(n.y + i, left, 0.0f, v);
    change<Isa>(v, [&](auto x) OCTAVO_LAMBDA { return Isa::multiply(Isa::subtract(x, middle), factor); });
    load_block<Isa>(n.scale + i, left, 0.0f, other);
    join<Isa>(v, other, [](auto a, auto b) OCTAVO_LAMBDA { return Isa::multiply(a, b); });
    if (n.shift != nullptr) {
      load_block<Isa>(n.shift + i, left, 0.0f, other);
      join<Isa>(v, other, Plus<Isa>());
    }
    store_block<Isa>(v, left, n.y + i);
    if (n.q != nullptr) quantize_block<Isa>(v, left, step, n.mapping.zero_point, n.q + i);
  });
}

}  // namespace
}  // namespace octavo
