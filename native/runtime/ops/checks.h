// Checks that several operators share.
#pragma once

#include <cmath>

#include "runtime/op.h"

namespace octavo {

inline bool has_inputs(const View& view, std::size_t inputs) { return view.inputs() == inputs; }

inline bool same_shape(const Tensor& a, const Tensor& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; ++i) {
    if (a.dims[i] != b.dims[i]) return false;
  }
  return true;
}

// Bounds of the output's grid, which lie within its type.
inline bool are_bounds(std::int64_t low, std::int64_t high, Dtype dtype) {
  const std::int64_t least = dtype == Dtype::kS8 ? -128 : 0;
  return least <= low && low <= high && high <= least + 255;
}

inline bool is_function(std::int64_t number) {
  return number >= static_cast<std::int64_t>(Function::kClip) && number <= static_cast<std::int64_t>(Function::kElu);
}

inline bool is_scale(float scale) { return std::isnormal(scale) && scale > 0; }

inline Mapping mapping_of(const Tensor& tensor, std::int64_t low, std::int64_t high) {
  return {tensor.scale, tensor.zero_point, static_cast<std::int32_t>(low), static_cast<std::int32_t>(high)};
}

inline bool is_vector(const Tensor& tensor, Dtype dtype, std::int64_t count) {
  return tensor.is_constant() && tensor.dtype == dtype && tensor.rank == 1 && tensor.count == count;
}

}  // namespace octavo
