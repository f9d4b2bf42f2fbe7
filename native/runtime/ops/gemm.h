// Integer GEMM with constant weights, shared by convolution and matrix multiplication. Inputs: activation, packed
// weights (kernels/packing.h), and sum, bias and multiplier of each column; an optional sixth input is a residual that
// is added to the requantized result.
#pragma once

#include "kernels/kernels.h"
#include "kernels/packing.h"
#include "runtime/op.h"

namespace octavo {

inline std::int64_t last_dim(const Tensor& tensor) { return tensor.rank == 0 ? 1 : tensor.dims[tensor.rank - 1]; }

// Without the residual.
inline constexpr std::size_t kGemmInputs = 5;

// The attribute indices of the output grid's bounds and, if a residual is added, of the grid of the product.
struct GemmAttributes {
  std::size_t low, high;
  std::size_t product_scale = 0, product_zero_point = 0, product_low = 0, product_high = 0;
};

consteval GemmAttributes gemm_attributes(const schema::Operator& op) {
  if (op.count(schema::Repeat::kWithResidual) == 0) return {op["qmin"], op["qmax"]};
  return {op["qmin"],         op["qmax"],        op["product_scale"], op["product_zero_point"],
          op["product_qmin"], op["product_qmax"]};
}

// Checks the number of inputs and attributes, with or without a residual: null, or the fault.
const char* check_gemm_inputs(const View& view, const schema::Operator& op);

// Checks that the constants are those of `groups` (k, n) matrices, and the types, bounds and residual.
const char* check_gemm(const View& view, const GemmAttributes& at, std::int64_t groups, std::int64_t k, std::int64_t n);

// The GEMM of one group, without a, c and m.
Gemm gemm_of(const Call& call, const GemmAttributes& at, std::int64_t group, std::int64_t k, std::int64_t n);

// The residual that is added to the output; null, or `residual`, filled in. The GEMM's c must be set.
const Residual* residual_of(const Call& call, const GemmAttributes& at, const Gemm& gemm, Residual& residual);

// Some rows of the product.
Gemm rows_of(const Gemm& whole, std::size_t first, std::size_t count);

// The columns of some of its panels.
Gemm columns_of(const Gemm& whole, std::size_t first_panel, std::size_t count);

}  // namespace octavo
