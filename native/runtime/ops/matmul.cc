// Integer GEMM (..., K) by constant weights (K, N), to 8 bits or float32.
#include "runtime/ops/checks.h"
#include "runtime/ops/gemm.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"

namespace octavo {
namespace {

constexpr GemmAttributes kGemm = gemm_attributes(schema::MatMul);
constexpr std::size_t kLeastRows = 12;  // that fill the registers of a tile

const char* check(const View& view) {
  if (const char* fault = check_gemm_inputs(view, schema::MatMul)) return fault;
  const std::int64_t k = last_dim(view.in(0)), n = last_dim(view.out());
  if (view.in(0).count / k != view.out().count / n) return "row count mismatch";
  return check_gemm(view, kGemm, 1, k, n);
}

std::size_t scratch(const View& view, const Kernels& kernels) {
  const std::int64_t k = last_dim(view.in(0));
  return kernels.gemm_scratch(static_cast<std::size_t>(view.in(0).count / k), static_cast<std::size_t>(k));
}

std::int64_t multiply_adds(const View& view) { return view.out().count * last_dim(view.in(0)); }

// Parallel over rows where there are many, else over panels of columns.
void run(const Call& call) {
  const std::int64_t k = last_dim(call.in(0));
  Gemm whole = gemm_of(call, kGemm, 0, k, last_dim(call.out()));
  whole.m = static_cast<std::size_t>(call.in(0).count / k);
  whole.a = call.read<std::uint8_t>(0);
  whole.c = call.write<std::byte>();
  const std::size_t wide = panels(whole.n), parts_of_rows = whole.m / kLeastRows;
  const bool by_rows = parts_of_rows >= call.threads();
  const auto work = static_cast<std::size_t>(multiply_adds(call));
  const std::size_t parts = parts_of(call, by_rows ? parts_of_rows : wide, work);
  call.parallel(parts, [&](std::size_t part, std::byte* scratch) {
    std::size_t first = 0, count = by_rows ? whole.m : wide;
    share_rows(part, parts, first, count);
    Gemm gemm = by_rows ? rows_of(whole, first, count) : columns_of(whole, first, count);
    Residual residual;
    gemm.residual = residual_of(call, kGemm, gemm, residual);
    call.kernels.gemm(gemm, scratch);
  });
}

}  // namespace

const OpKind kMatMul{schema::MatMul, check, run, scratch, multiply_adds};

}  // namespace octavo
