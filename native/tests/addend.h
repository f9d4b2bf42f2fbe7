// What products are joined with.
#pragma once

#include <vector>

#include "kernels/kernels.h"
#include "tests/check.h"

namespace octavo::tests {

inline Addend random_addend(Random& random, const std::vector<std::uint8_t>& other) {
  // Equal scales make many sums that lie just between two integers.
  const float scale = random.pick({0.02f, 0.02f, random.real(1e-3f, 0.1f), 0x1p-70f});
  Addend addend{other.data(),
                random.between(0, 1) == 1,
                random.pick({scale, 0.01f}),
                0,
                random.pick({scale, 0.04f}),
                {random.pick({scale, 0.04f, 3e38f}), 0, -128, 127}};
  addend.zero_point = addend.is_signed ? random.between(-128, 127) : random.between(0, 255);
  if (random.between(0, 1)) addend.result = {addend.result.scale, random.between(0, 255), 0, 255};
  return addend;
}

// The bytes of a product joined with its addend, as two operators do.
inline std::vector<std::uint8_t> joined(const Kernels& scalar, const Gemm& product,
                                        const std::vector<std::uint8_t>& own) {
  const Addend& addend = *product.addend;
  std::vector<std::uint8_t> c(own.size());
  scalar.join({own.data(), addend.data, c.data(), addend.own_scale, addend.scale, product.zero_point, addend.zero_point,
               product.low < 0, addend.is_signed, false, addend.result},
              own.size());
  return c;
}

}  // namespace octavo::tests
