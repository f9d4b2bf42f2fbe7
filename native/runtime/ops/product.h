// Integer products with constant weights, as a convolution and a matrix product share them. Their inputs are the
// activation, the weights in panels (kernels/panels.h), each column's sum, bias and multiplier; behind the operator's
// own attributes come the bounds of the output's grid. A sixth input is added to the result, whose own grid is then
// said by four more attributes: scale, zero point, bounds.
#pragma once

#include "kernels/kernels.h"
#include "kernels/panels.h"
#include "runtime/op.h"

namespace octavo {

inline std::int64_t last_dim(const Tensor& tensor) { return tensor.rank == 0 ? 1 : tensor.dims[tensor.rank - 1]; }

// Without the addend.
inline constexpr std::size_t kProductInputs = 5;

// Whether it has that many attributes of its own and what a product has.
bool has_product(const View& view, std::size_t own_attributes);

// Whether the constants are those of `groups` products of (k, n) matrices, and the types and bounds are sound.
const char* check_product(const View& view, std::int64_t groups, std::int64_t k, std::int64_t n);

// The product of one group: all but where a and c lie, and how many rows they have.
Gemm product_of(const Call& call, std::int64_t group, std::int64_t k, std::int64_t n);

// What is added to the result, if anything; null or `addend`, filled in. To be asked when the product's c is known.
const Addend* addend_of(const Call& call, const Gemm& gemm, Addend& addend);

// Some rows of the product.
Gemm rows_of(const Gemm& whole, std::size_t first, std::size_t count);

// The columns of some of its panels.
Gemm columns_of(const Gemm& whole, std::size_t first_panel, std::size_t count);

}  // namespace octavo
