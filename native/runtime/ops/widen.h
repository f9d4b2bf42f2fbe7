// Dequantization of signed or unsigned bytes to float32.
#pragma once

#include "kernels/kernels.h"
#include "runtime/model.h"

namespace octavo {

inline void widen(const Kernels& kernels, const Tensor& tensor, const std::uint8_t* q, std::size_t count, float* x) {
  const Mapping mapping{tensor.scale, tensor.zero_point, 0, 0};
  if (tensor.dtype == Dtype::kS8) {
    kernels.dequantize_s8(reinterpret_cast<const std::int8_t*>(q), count, mapping, x);
  } else {
    kernels.dequantize_u8(q, count, mapping, x);
  }
}

}  // namespace octavo
