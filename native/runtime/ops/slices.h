// A tensor as (outer, middle, inner), where an operator works along `middle`, a run of axes.
#pragma once

#include "runtime/op.h"

namespace octavo {

struct Slices {
  std::int64_t outer, middle, inner;
};

template <const schema::Operator& kSchema>
Slices slices_of(const View& view) {
  return {view.attribute(kSchema["outer"]), view.attribute(kSchema["length"]), view.attribute(kSchema["inner"])};
}

// Whether the product is the tensor's size.
inline bool cover(const Slices& s, const Tensor& tensor) {
  for (const std::int64_t part : {s.outer, s.middle, s.inner}) {
    if (part < 1 || part > tensor.count) return false;
  }
  return tensor.count % s.outer == 0 && tensor.count / s.outer % s.middle == 0 &&
         tensor.count / s.outer / s.middle == s.inner;
}

}  // namespace octavo
