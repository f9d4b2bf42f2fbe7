// Two operands of a result, each stretched along the axes on which it has length 1.
#pragma once

#include "runtime/op.h"

namespace octavo {

// Whether the operand stretches to the result's shape.
inline bool stretches(const Tensor& operand, const Tensor& result) {
  if (operand.rank > result.rank) return false;
  for (int i = 1; i <= operand.rank; ++i) {
    const std::int64_t dim = operand.dims[operand.rank - i];
    if (dim != 1 && dim != result.dims[result.rank - i]) return false;
  }
  return true;
}

// Where a row of the result begins in the operand, and the step along the row: 0 or 1.
class Rows {
 public:
  Rows(const Tensor& operand, const Tensor& result) : result_(result) {
    std::int64_t step = 1;
    for (int i = 1; i <= result.rank; ++i) {
      const std::int64_t dim = i <= operand.rank ? operand.dims[operand.rank - i] : 1;
      steps_[result.rank - i] = dim == 1 ? 0 : step;
      step *= dim;
    }
  }

  std::int64_t step() const { return result_.rank == 0 ? 0 : steps_[result_.rank - 1]; }

  std::int64_t begin(std::int64_t row) const {
    std::int64_t at = 0;
    for (int i = result_.rank - 2; i >= 0; --i) {
      at += row % result_.dims[i] * steps_[i];
      row /= result_.dims[i];
    }
    return at;
  }

 private:
  const Tensor& result_;
  std::int64_t steps_[kMaxRank] = {};
};

inline std::int64_t row_length(const Tensor& result) { return result.rank == 0 ? 1 : result.dims[result.rank - 1]; }

}  // namespace octavo
