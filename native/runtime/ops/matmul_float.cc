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
  const float* left = call.read<float>(0);
  float* to = call.write<float>();
  for (std::int64_t row = 0; row < a.count / k; ++row, left += k, to += n) {
    const float* right = call.read<float>(1) + row / rows * k * n;
    std::fill_n(to, n, 0.0f);
    for (std::int64_t i = 0; i < k; ++i, right += n) {
      for (std::int64_t j = 0; j < n; ++j) to[j] += left[i] * right[j];
    }
  }
}

std::int64_t multiply_adds(const View& view) { return view.out().count * view.in(0).dims[view.in(0).rank - 1]; }

}  // namespace

const OpKind kMatMulFloat{"MatMulFloat", check, run, nullptr, multiply_adds};

}  // namespace octavo
