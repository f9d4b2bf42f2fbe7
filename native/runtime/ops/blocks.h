// Scales and zero points that differ along an axis, as tensors: constants, or computed while the model runs.
// The data are seen as (outer, length, inner). There is one scale for all; or one for each place along `length`; or,
// of the shape of the data, one for each `block` of places along it.
#pragma once

#include "runtime/op.h"

namespace octavo {

struct Blocks {
  enum Sharing : std::int64_t { kTensor, kAxis, kBlock };

  std::int64_t outer, length, inner, sharing, block;

  std::int64_t groups() const { return (length + block - 1) / block; }
  // How many scales there are.
  std::int64_t scales() const { return sharing == kTensor ? 1 : sharing == kAxis ? length : outer * groups() * inner; }
  // The data fall into rows of `inner` values each. The scale of value i of row r, and whether the row has one scale.
  std::int64_t scale_of(std::int64_t row, std::int64_t i) const {
    const std::int64_t place = row % length;
    if (sharing == kTensor) return 0;
    return sharing == kAxis ? place : (row / length * groups() + place / block) * inner + i;
  }
  bool is_shared_by_row() const { return sharing != kBlock || inner == 1; }
};

// From the first attributes.
Blocks blocks_of(const View& view);

// Null, or what is wrong with the attributes, or with the scales and zero points that are the inputs 1 and 2.
const char* check_blocks(const View& view, const Tensor& integers);

}  // namespace octavo
