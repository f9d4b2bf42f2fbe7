// Layer normalization of rows (Ba et al. 2016): (v - mean) / sqrt(variance + epsilon) * scale + shift, where v is x
// plus optional bias and skip connection, in that order. To float32, or through float32 to 8 bits. Several rows go
// through each step together to hide the latency of the reductions.
#pragma once

#include "kernels/generic/row.h"

namespace octavo {
namespace {

// Stores v in y; returns its sum.
template <class Isa>
OCTAVO_INLINE float gather_row(const LayerNorm& n, std::size_t row, float* y) {
  const float* x = n.x + row * n.size;
  const float* skip = n.skip == nullptr ? nullptr : n.skip + row * n.size;
  Block<Isa> sums;
  fill<Isa>(sums, 0.0f);
  each_part_of_row(n.size, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
    Block<Isa> v, other;
    load_block<Isa>(x + i, left, 0.0f, v);
    if (n.bias != nullptr) {
      load_block<Isa>(n.bias + i, left, 0.0f, other);
      zip<Isa>(v, other, Plus<Isa>());
    }
    if (skip != nullptr) {
      load_block<Isa>(skip + i, left, 0.0f, other);
      zip<Isa>(v, other, Plus<Isa>());
    }
    store_block<Isa>(v, left, y + i);
    zip<Isa>(sums, v, Plus<Isa>());
  });
  return total<Isa>(sums);
}

// The sum of the squares of v - mean.
template <class Isa>
OCTAVO_INLINE float deviation(const float* v, std::size_t size, float mean) {
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
    zip<Isa>(sums, away, Plus<Isa>());
  });
  return total<Isa>(sums);
}

template <class Isa>
OCTAVO_INLINE void finish_row(const LayerNorm& n, const Step& step, float mean, float factor, float* y,
                              std::uint8_t* q) {
  const auto middle = Isa::all(mean), steep = Isa::all(factor);
  each_part_of_row(n.size, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
    Block<Isa> v, other;
    load_block<Isa>(y + i, left, 0.0f, v);
    change<Isa>(v, [&](auto x) OCTAVO_LAMBDA { return Isa::multiply(Isa::subtract(x, middle), steep); });
    load_block<Isa>(n.scale + i, left, 0.0f, other);
    zip<Isa>(v, other, [](auto a, auto b) OCTAVO_LAMBDA { return Isa::multiply(a, b); });
    if (n.shift != nullptr) {
      load_block<Isa>(n.shift + i, left, 0.0f, other);
      zip<Isa>(v, other, Plus<Isa>());
    }
    if (q == nullptr) return store_block<Isa>(v, left, y + i);
    quantize_block<Isa>(v, left, step, q + i);
  });
}

template <class Isa>
void layer_norm(const LayerNorm& n) {
  const Step step = step_of(n.mapping);
  const auto size = static_cast<float>(n.size);
  for (std::size_t first = 0; first < n.rows; first += kRowsTogether) {
    const std::size_t rows = n.rows - first < kRowsTogether ? n.rows - first : kRowsTogether;
    float* y = n.y + (n.q == nullptr ? first * n.size : 0);
    float means[kRowsTogether], factors[kRowsTogether];
    for (std::size_t r = 0; r < rows; ++r) means[r] = gather_row<Isa>(n, first + r, y + r * n.size) / size;
    for (std::size_t r = 0; r < rows; ++r) {
      factors[r] = 1.0f / __builtin_sqrtf(deviation<Isa>(y + r * n.size, n.size, means[r]) / size + n.epsilon);
    }
    for (std::size_t r = 0; r < rows; ++r) {
      std::uint8_t* q = n.q == nullptr ? nullptr : n.q + (first + r) * n.size;
      finish_row<Isa>(n, step, means[r], factors[r], y + r * n.size, q);
    }
  }
}

}  // namespace
}  // namespace octavo
