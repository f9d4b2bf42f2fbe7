// Float32 GEMM of (..., M, K) and (..., K, N) with equal batch axes, or a second operand without them.
#include <algorithm>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  if (!has_inputs(view, 2)) return "expected 2 inputs";
  const Tensor &a = view.in(0), &b = view.in(1), &c = view.out();
  if (!a.is_float() || !b.is_float() || !c.is_float()) return "tensors must be float32";
  if (a.rank < 2 || c.rank != a.rank || (b.rank != 2 && b.rank != a.rank)) return "rank mismatch";
  for (int i = 0; i < a.rank - 1; ++i) {
    if (c.dims[i] != a.dims[i]) return "shape mismatch";
    if (b.rank != 2 && i < a.rank - 2 && b.dims[i] != a.dims[i]) return "shape mismatch";
  }
  const bool fits = b.dims[b.rank - 2] == a.dims[a.rank - 1] && b.dims[b.rank - 1] == c.dims[c.rank - 1];
  return fits ? nullptr : "shape mismatch";
}

std::int64_t multiply_adds(const View& view) { return view.out().count * view.in(0).dims[view.in(0).rank - 1]; }

// Parallel over the rows of all matrices.
void run(const Call& call) {
  const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  const Tensor &a = call.in(0), &b = call.in(1);
  const std::size_t k = size(a.dims[a.rank - 1]), n = size(b.dims[b.rank - 1]), all = size(a.count) / k;
  // With one rhs for all, the lhs is one matrix.
  const std::size_t rows = b.rank == 2 ? all : size(a.dims[a.rank - 2]);
  share(call, all, size(multiply_adds(call)) * kStepWork, [&](std::size_t first, std::size_t last, std::byte*) {
    std::fill(call.write<float>() + first * n, call.write<float>() + last * n, 0.0f);
    for (std::size_t row = first, count; row < last; row += count) {
      count = std::min(rows - row % rows, last - row);
      call.kernels.float_product({call.read<float>(0) + row * k, k, count, k, n,
                                  call.read<float>(1) + row / rows * k * n, n, call.write<float>() + row * n, n});
    }
  });
}

}  // namespace

const OpKind kMatMulFloat{schema::MatMulFloat, check, run, nullptr, multiply_adds};

}  // namespace octavo
