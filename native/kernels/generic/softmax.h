// Softmax of rows, with an optional mask added first, to float32 or through float32 to 8 bits. Several rows go through
// each step together to hide the latency of the reductions.
#pragma once

#include "kernels/generic/exp.h"
#include "kernels/generic/row.h"

namespace octavo {
namespace {

// Scores are needed twice, so masked scores are kept in y.
template <class Isa>
OCTAVO_INLINE float largest_score(const float* x, const float* mask, std::size_t count, float* y) {
  if (mask == nullptr) return row_max<Isa>(x, count);
  Block<Isa> most;
  fill<Isa>(most, -__builtin_inff());
  each_part_of_row(count, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
    Block<Isa> v, other;
    load_block<Isa>(x + i, left, -__builtin_inff(), v);
    load_block<Isa>(mask + i, left, 0.0f, other);
    zip<Isa>(v, other, Plus<Isa>());
    store_block<Isa>(v, left, y + i);
    each<kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA { most[r] = Isa::max(v[r], most[r]); });
  });
  return Isa::largest(halved<Isa>(most, Larger<Isa>()));
}

// y = e^(x - largest); returns their sum.
template <class Isa>
OCTAVO_INLINE float exponentials(const float* x, float largest, std::size_t count, float* y) {
  const auto most = Isa::all(largest);
  Block<Isa> sums;
  fill<Isa>(sums, 0.0f);
  each_part_of_row(count, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
    Block<Isa> v;
    // Lanes past the end contribute 0.
    load_block<Isa>(x + i, left, -__builtin_inff(), v);
    change<Isa>(v, [&](auto x) OCTAVO_LAMBDA { return exponential_below_zero<Isa>(Isa::subtract(x, most)); });
    store_block<Isa>(v, left, y + i);
    zip<Isa>(sums, v, Plus<Isa>());
  });
  return total<Isa>(sums);
}

template <class Isa, class Store>
OCTAVO_INLINE void scale_row(const float* y, std::size_t count, float share, const Store& store) {
  const auto factor = Isa::all(share);
  each_part_of_row(count, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
    Block<Isa> v;
    load_block<Isa>(y + i, left, 0.0f, v);
    change<Isa>(v, [&](auto x) OCTAVO_LAMBDA { return Isa::multiply(x, factor); });
    store(v, i, left);
  });
}

template <class Isa>
void softmax(const Softmax& s) {
  const Step step = step_of(s.mapping);
  const std::size_t count = s.count;
  for (std::size_t first = 0; first < s.rows; first += kRowsTogether) {
    const std::size_t rows = s.rows - first < kRowsTogether ? s.rows - first : kRowsTogether;
    const float* x = s.x + first * count;
    float* y = s.y + first * count;
    float known[kRowsTogether];
    for (std::size_t r = 0; r < rows; ++r) {
      const float* mask = s.mask == nullptr ? nullptr : s.mask + (first + r) * s.mask_stride;
      known[r] = largest_score<Isa>(x + r * count, mask, count, y + r * count);
    }
    if (s.mask != nullptr) x = y;
    for (std::size_t r = 0; r < rows; ++r) {
      known[r] = 1.0f / exponentials<Isa>(x + r * count, known[r], count, y + r * count);
    }
    for (std::size_t r = 0; r < rows; ++r) {
      float* row = y + r * count;
      if (s.q == nullptr) {
        scale_row<Isa>(row, count, known[r], [&](const Block<Isa>& v, std::size_t i, std::size_t left) OCTAVO_LAMBDA {
          store_block<Isa>(v, left, row + i);
        });
        continue;
      }
      std::uint8_t* q = s.q + (first + r) * count;
      scale_row<Isa>(row, count, known[r], [&](const Block<Isa>& v, std::size_t i, std::size_t left) OCTAVO_LAMBDA {
        quantize_block<Isa>(v, left, step, q + i);
      });
    }
  }
}

}  // namespace
}  // namespace octavo
