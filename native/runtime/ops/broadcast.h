// Broadcasting: operands repeated along the axes on which they have length 1.
#pragma once

#include "runtime/op.h"

namespace octavo {

// Whether the operand broadcasts to the shape of the result.
inline bool broadcasts(const Tensor& operand, const Tensor& result) {
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

// The longest runs of the result, starting at multiples of `length`, whose values are `step` apart in the operand: one
// row, or several where the operand has the length of the result, or length 1, along all of their axes.
struct Run {
  std::int64_t length, step;
};

inline Run run_of(const Tensor& operand, const Tensor& result) {
  std::int64_t length = 1;
  bool single = true, whole = true;
  for (int i = 1; i <= result.rank; ++i) {
    const std::int64_t size = result.dims[result.rank - i];
    const std::int64_t dim = i <= operand.rank ? operand.dims[operand.rank - i] : 1;
    if (!(whole && dim == size) && !(single && dim == 1)) break;
    whole = whole && dim == size;
    single = single && dim == 1;
    length *= size;
  }
  return {length, whole ? 1 : 0};
}

inline std::int64_t row_length(const Tensor& result) { return result.rank == 0 ? 1 : result.dims[result.rank - 1]; }

// body(a, b, i) for each element i of the result.
template <class T, class Body>
void each_pair(const Call& call, const Body& body) {
  const Rows a(call.in(0), call.out()), b(call.in(1), call.out());
  const std::int64_t length = row_length(call.out());
  for (std::int64_t row = 0, i = 0; row < call.out().count / length; ++row) {
    const T* left = call.read<T>(0) + a.begin(row);
    const T* right = call.read<T>(1) + b.begin(row);
    for (std::int64_t j = 0; j < length; ++j, ++i) body(left[j * a.step()], right[j * b.step()], i);
  }
}

}  // namespace octavo
