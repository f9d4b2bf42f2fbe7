// Scales and zero points along an axis, as tensors that are constant or computed while the model runs. The data have
// the shape (outer, length, inner), with a single scale, one for each position along `length`, or one for each
// `block` of positions (and each outer and inner index).
#pragma once

#include "runtime/op.h"

namespace octavo {

struct Blocks {
  enum Sharing : std::int64_t { kTensor, kAxis, kBlock };

  std::int64_t outer, length, inner, sharing, block;

  std::int64_t groups() const { return (length + block - 1) / block; }
  // Number of scales.
  std::int64_t scales() const { return sharing == kTensor ? 1 : sharing == kAxis ? length : outer * groups() * inner; }
  // The data fall into rows of `inner` values each. The scale of value i of row r, and whether the row has one scale.
  std::int64_t scale_of(std::int64_t row, std::int64_t i) const {
    const std::int64_t place = row % length;
    if (sharing == kTensor) return 0;
    return sharing == kAxis ? place : (row / length * groups() + place / block) * inner + i;
  }
  bool is_shared_by_row() const { return sharing != kBlock || inner == 1; }
};

Blocks blocks_of(const View& view);

// Checks the attributes, and the scales and zero points, inputs 1 and 2: null, or the fault.
const char* check_blocks(const View& view, const Tensor& integers);

}  // namespace octavo
