// Residual adds for the tests of fused epilogues.
#pragma once

#include <vector>

#include "kernels/kernels.h"
#include "tests/check.h"

namespace octavo::tests {

inline Residual random_residual(Random& random, const std::vector<std::uint8_t>& other) {
  // Equal scales produce many exact ties.
  const float scale = random.pick({0.02f, 0.02f, random.real(1e-3f, 0.1f), 0x1p-70f});
  Residual residual{other.data(),
                    random.between(0, 1) == 1,
                    random.pick({scale, 0.01f}),
                    0,
                    random.pick({scale, 0.04f}),
                    {random.pick({scale, 0.04f, 3e38f}), 0, -128, 127}};
  residual.zero_point = residual.is_signed ? random.between(-128, 127) : random.between(0, 255);
  if (random.between(0, 1)) residual.result = {residual.result.scale, random.between(0, 255), 0, 255};
  return residual;
}

// A GEMM's result followed by a separate residual add.
inline std::vector<std::uint8_t> with_residual(const Kernels& scalar, const Gemm& product,
                                               const std::vector<std::uint8_t>& own) {
  const Residual& residual = *product.residual;
  std::vector<std::uint8_t> c(own.size());
  scalar.elementwise({own.data(), residual.data, c.data(), residual.own_scale, residual.scale, product.zero_point,
                      residual.zero_point, product.low < 0, residual.is_signed, false, residual.result},
                     own.size());
  return c;
}

}  // namespace octavo::tests
