// Integers (..., K) times constant weights (K, N), to 8 bits or float32. Attributes: low, high.
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/product.h"

namespace octavo {
namespace {

std::int64_t last_dim(const Tensor& tensor) { return tensor.rank == 0 ? 1 : tensor.dims[tensor.rank - 1]; }

const char* check(const View& view) {
  if (!has(view, kProductInputs, 2)) return "a matrix product has five inputs and two attributes";
  const std::int64_t k = last_dim(view.in(0)), n = last_dim(view.out());
  if (view.in(0).count / k != view.out().count / n) return "its rows and those of its result differ in number";
  return check_product(view, 1, k, n);
}

std::size_t scratch(const View& view, const Kernels& kernels) {
  const std::int64_t k = last_dim(view.in(0));
  return kernels.gemm_scratch(static_cast<std::size_t>(view.in(0).count / k), static_cast<std::size_t>(k));
}

void run(const Call& call) {
  const std::int64_t k = last_dim(call.in(0));
  Gemm gemm = product_of(call, 0, k, last_dim(call.out()));
  gemm.m = static_cast<std::size_t>(call.in(0).count / k);
  gemm.a = call.read<std::uint8_t>(0);
  gemm.c = call.write<std::byte>();
  call.kernels.gemm(gemm, call.scratch());
}

std::int64_t multiply_adds(const View& view) { return view.out().count * last_dim(view.in(0)); }

}  // namespace

const OpKind kMatMul{"MatMul", check, run, scratch, multiply_adds};

}  // namespace octavo
