// Product of float32 matrices (..., M, K) and (..., K, N), whose leading axes are equal, or which the second lacks.
#include <algorithm>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  if (!has(view, 2, 0)) return "a float matrix product has two inputs and no attributes";
  const Tensor &a = view.in(0), &b = view.in(1), &c = view.out();
  if (!a.is_float() || !b.is_float() || !c.is_float()) return "its tensors are not float32";
  if (a.rank < 2 || c.rank != a.rank || (b.rank != 2 && b.rank != a.rank)) return "its ranks do not fit";
  for (int i = 0; i < a.rank - 1; ++i) {
    if (c.dims[i] != a.dims[i]) return "its shapes do not fit";
    if (b.rank != 2 && i < a.rank - 2 && b.dims[i] != a.dims[i]) return "its shapes do not fit";
  }
  const bool fits = b.dims[b.rank - 2] == a.dims[a.rank - 1] && b.dims[b.rank - 1] == c.dims[c.rank - 1];
  return fits ? nullptr : "its shapes do not fit";
}

void run(const Call& call) {
  const Tensor &a = call.in(0), &b = call.in(1);
  const std::int64_t k = a.dims[a.rank - 1], n = b.dims[b.rank - 1];
  // Where all rows meet the same matrix, they are one matrix too.
  const std::int64_t rows = b.rank == 2 ? a.count / k : a.dims[a.rank - 2];
  const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  FloatProduct product{call.read<float>(0), size(k), size(rows),          size(k), size(n),
                       call.read<float>(1), size(n), call.write<float>(), size(n)};
  std::fill_n(product.c, call.out().count, 0.0f);
  for (std::int64_t done = 0; done < a.count / k; done += rows) {
    call.kernels.float_product(product);
    product.a += rows * k;
    product.b += k * n;
    product.c += rows * n;
  }
}

std::int64_t multiply_adds(const View& view) { return view.out().count * view.in(0).dims[view.in(0).rank - 1]; }

}  // namespace

const OpKind kMatMulFloat{"MatMulFloat", check, run, nullptr, multiply_adds};

}  // namespace octavo
