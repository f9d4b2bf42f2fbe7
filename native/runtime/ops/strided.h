// A result whose elements lie in the input at regular steps along each axis.
#pragma once

#include <algorithm>

#include "runtime/op.h"
#include "runtime/ops/checks.h"

namespace octavo {

struct Walk {
  std::int64_t begin;            // where the first element lies
  std::int64_t steps[kMaxRank];  // to the next along each axis of the result
};

// Elements from one to the next along an axis.
inline std::int64_t stride(const Tensor& tensor, std::int64_t axis) {
  std::int64_t found = 1;
  for (auto i = axis + 1; i < tensor.rank; ++i) found *= tensor.dims[i];
  return found;
}

// Rows [row, last) of the result along its last axis.
template <class T>
void gather_rows(const T* from, const Walk& walk, const Tensor& result, std::size_t row, std::size_t last, T* to) {
  const int inner = result.rank - 1;
  const std::int64_t length = inner < 0 ? 1 : result.dims[inner], step = inner < 0 ? 1 : walk.steps[inner];
  std::int64_t index[kMaxRank] = {}, at = walk.begin;
  auto rest = static_cast<std::int64_t>(row);
  for (int axis = inner - 1; axis >= 0; --axis) {
    index[axis] = rest % result.dims[axis];
    rest /= result.dims[axis];
    at += index[axis] * walk.steps[axis];
  }
  to += static_cast<std::int64_t>(row) * length;
  for (; row < last; ++row, to += length) {
    if (step == 1) {
      std::copy_n(from + at, length, to);
    } else {
      for (std::int64_t i = 0; i < length; ++i) to[i] = from[at + i * step];
    }
    for (int axis = inner - 1; axis >= 0; --axis) {
      at += walk.steps[axis];
      if (++index[axis] < result.dims[axis]) break;
      at -= walk.steps[axis] * result.dims[axis];
      index[axis] = 0;
    }
  }
}

template <class T>
void gather_strided(const Call& call, const Walk& walk) {
  const Tensor& result = call.out();
  const auto length = static_cast<std::size_t>(result.rank == 0 ? 1 : result.dims[result.rank - 1]);
  const std::size_t rows = static_cast<std::size_t>(result.count) / length;
  call.parallel_ranges(rows, std::max<std::size_t>(kPieceElements / length, 1), [&](std::size_t row, std::size_t last) {
    gather_rows(call.read<T>(0), walk, result, row, last, call.write<T>());
  });
}

inline void gather_strided(const Call& call, const Walk& walk) {
  switch (size_of(call.in(0).dtype)) {
    case 1:
      return gather_strided<std::uint8_t>(call, walk);
    case 4:
      return gather_strided<std::uint32_t>(call, walk);
    default:
      return gather_strided<std::uint64_t>(call, walk);
  }
}

}  // namespace octavo
