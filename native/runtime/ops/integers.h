// One piece of code for every type of integer that may be quantized.
#pragma once

#include <cstdint>

#include "runtime/model.h"

namespace octavo {

// Calls body with a zero of the type of the tensor's integers.
template <class Body>
void with_integers(const Tensor& tensor, const Body& body) {
  switch (tensor.dtype) {
    case Dtype::kU8:
      return body(std::uint8_t{});
    case Dtype::kS8:
      return body(std::int8_t{});
    case Dtype::kU16:
      return body(std::uint16_t{});
    case Dtype::kS16:
      return body(std::int16_t{});
    default:
      return body(std::int32_t{});
  }
}

inline bool is_integer(const Tensor& tensor) {
  return tensor.is_byte() || tensor.is_short() || tensor.dtype == Dtype::kS32;
}

}  // namespace octavo
