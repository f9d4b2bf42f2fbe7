// Integer GEMM (..., K) by constant weights (K, N), then bias and unary function in float32, quantized to 8 bits.
// Inputs: those of a GEMM, and the float32 bias.
//
// Column blocks keep the float32 intermediate in the cache.
#include <algorithm>

#include "runtime/ops/checks.h"
#include "runtime/ops/gemm.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/scratch.h"

namespace octavo {
namespace {

constexpr GemmAttributes kGemm = gemm_attributes(schema::MatMulFunction);
constexpr std::size_t kFunction = schema::MatMulFunction["function"], kAlpha = schema::MatMulFunction["alpha"],
                      kBeta = schema::MatMulFunction["beta"];
constexpr std::size_t kRows = 24, kPanels = 16, kColumns = kPanels * kPanelColumns;

const char* check(const View& view) {
  if (!has_inputs(view, kGemmInputs + 1)) return "expected 6 inputs";
  const std::int64_t k = last_dim(view.in(0)), n = last_dim(view.out());
  if (view.in(0).count / k != view.out().count / n) return "row count mismatch";
  if (!view.out().is_byte()) return "output must be 8-bit";
  if (!is_function(view.attribute(kFunction))) return "unknown function";
  if (!is_vector(view.in(kGemmInputs), Dtype::kF32, n)) return "expected one bias for each column";
  return check_gemm(view, kGemm, 1, k, n);
}

struct Plan {
  explicit Plan(const View& view)
      : k(static_cast<std::size_t>(last_dim(view.in(0)))),
        n(static_cast<std::size_t>(last_dim(view.out()))),
        m(static_cast<std::size_t>(view.in(0).count) / k),
        rows(std::min(m, kRows)),
        columns(std::min(n, kColumns)) {}

  std::size_t k, n, m, rows, columns;
};

std::size_t scratch(const View& view, const Kernels& kernels) {
  const Plan plan(view);
  return aligned(plan.rows * plan.columns * sizeof(float)) + kernels.gemm_scratch(plan.rows, plan.k);
}

std::int64_t multiply_adds(const View& view) { return view.out().count * last_dim(view.in(0)); }

// Some rows by some columns of the result.
void run_piece(const Call& call, const Plan& plan, std::size_t row, std::size_t column, std::byte* scratch) {
  Gemm gemm = gemm_of(call, kGemm, 0, static_cast<std::int64_t>(plan.k), static_cast<std::int64_t>(plan.n));
  Scratch memory(scratch);
  auto* floats = memory.take<float>(plan.rows * plan.columns);
  gemm.m = std::min(kRows, plan.m - row);
  gemm.n = std::min(kColumns, plan.n - column);
  gemm.a = call.read<std::uint8_t>(0) + row * plan.k;
  gemm.b += column / kPanelColumns * panel_bytes(plan.k);
  gemm.b_sums += column;
  gemm.bias += column;
  gemm.multiplier += column;
  gemm.output = Output::kFloat;
  gemm.c = floats;
  gemm.c_stride = gemm.n;
  call.kernels.gemm(gemm, memory.rest());
  Activation activation{floats,
                        call.read<float>(kGemmInputs) + column,
                        gemm.n,
                        static_cast<Function>(call.attribute(kFunction)),
                        call.real(kAlpha),
                        call.real(kBeta),
                        mapping_of(call.out(), call.attribute(kGemm.low), call.attribute(kGemm.high)),
                        call.write<std::uint8_t>() + row * plan.n + column};
  for (std::size_t i = 0; i < gemm.m; ++i, activation.x += gemm.n, activation.q += plan.n) {
    call.kernels.activate(activation);
  }
}

void run(const Call& call) {
  const Plan plan(call);
  const std::size_t high = (plan.m + kRows - 1) / kRows, wide = (plan.n + kColumns - 1) / kColumns;
  const auto work = static_cast<std::size_t>(multiply_adds(call));
  share(call, high * wide, work, [&](std::size_t first, std::size_t last, std::byte* scratch) {
    for (std::size_t piece = first; piece < last; ++piece) {
      run_piece(call, plan, piece % high * kRows, piece / high * kColumns, scratch);
    }
  });
}

}  // namespace

const OpKind kMatMulFunction{schema::MatMulFunction, check, run, scratch, multiply_adds};

}  // namespace octavo
