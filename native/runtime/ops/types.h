// Dispatch from the element type of a tensor to a C++ type.
#pragma once

#include <cstdint>
#include <type_traits>

#include "runtime/model.h"

namespace octavo {

// A bool stored as a byte; any value but 0 is true.
struct Bool {
  std::uint8_t byte;
  operator bool() const { return byte != 0; }
};

// body(T{}) with the type of a tensor's elements.
template <class Body>
void with_type(Dtype dtype, const Body& body) {
  switch (dtype) {
    case Dtype::kF32:
      return body(float{});
    case Dtype::kU8:
      return body(std::uint8_t{});
    case Dtype::kS8:
      return body(std::int8_t{});
    case Dtype::kU16:
      return body(std::uint16_t{});
    case Dtype::kS16:
      return body(std::int16_t{});
    case Dtype::kS32:
      return body(std::int32_t{});
    case Dtype::kS64:
      return body(std::int64_t{});
    default:
      return body(Bool{});
  }
}

// The same for integers that may be quantized.
inline bool is_integer(const Tensor& tensor) {
  return tensor.is_byte() || tensor.is_short() || tensor.dtype == Dtype::kS32;
}

template <class Body>
void with_integers(const Tensor& tensor, const Body& body) {
  with_type(tensor.dtype, [&]<class T>(T zero) {
    if constexpr (std::is_integral_v<T> && sizeof(T) <= sizeof(std::int32_t)) body(zero);
  });
}

}  // namespace octavo
