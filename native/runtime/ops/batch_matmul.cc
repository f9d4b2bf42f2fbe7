// Batched GEMM of two 8-bit activations, to 8 bits or float32; operands are strided (batches.h).
#include "runtime/ops/batches.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"

namespace octavo {
namespace {

constexpr const schema::Operator& kSchema = schema::BatchMatMul;
constexpr std::size_t kLow = kSchema["qmin"], kHigh = kSchema["qmax"], kMultiplier = kSchema["multiplier"];
constexpr std::size_t kM = kSchema["m"], kN = kSchema["n"], kK = kSchema["k"];
constexpr std::size_t kLhsRow = kSchema["a_row_stride"], kRow = kSchema["c_row_stride"];
constexpr std::size_t kRhsK = kSchema["b_k_stride"], kRhsN = kSchema["b_n_stride"];
constexpr std::size_t kLhs = kSchema.per_batch_axis("a_batch_stride"), kRhs = kSchema.per_batch_axis("b_batch_stride"),
                      kResult = kSchema.per_batch_axis("c_batch_stride");

const char* check(const View& view) {
  if (!has_inputs(view, 2)) return "expected 2 inputs";
  const Tensor &a = view.in(0), &b = view.in(1), &c = view.out();
  if (!a.is_byte() || !b.is_byte()) return "inputs must be 8-bit";
  if (!c.is_byte() && !c.is_float()) return "output must be float32 or 8-bit";
  const std::int64_t m = view.attribute(kM), n = view.attribute(kN), k = view.attribute(kK);
  if (k > kMaxDepth) return "accumulators can overflow";
  const Batches batches(view, kSchema);
  if (batches.reach_of(a, kLhs, {{m, view.attribute(kLhsRow)}, {k, 1}}) < 0 ||
      batches.reach_of(b, kRhs, {{k, view.attribute(kRhsK)}, {n, view.attribute(kRhsN)}}) < 0 ||
      batches.reach_of(c, kResult, {{m, view.attribute(kRow)}, {n, 1}}) < 0) {
    return "strides are out of bounds";
  }
  const std::int64_t most = c.count / m / n;
  if (m * n * most != c.count || batches.count(most) != most) return "size mismatch";
  if (c.is_float()) return nullptr;
  return are_bounds(view.attribute(kLow), view.attribute(kHigh), c.dtype) ? nullptr
                                                                          : "qmin and qmax out of range of the type";
}

std::size_t scratch(const View& view, const Kernels& kernels) {
  const auto m = view.size(kM), n = view.size(kN);
  const auto k = view.size(kK);
  return PackedRhs::bytes(k, n) + kernels.gemm_scratch(m, k);
}

std::int64_t multiply_adds(const View& view) { return view.out().count * view.attribute(kK); }

// The products [first, last).
void run_some(const Call& call, std::int64_t first, std::int64_t last, std::byte* scratch) {
  const Tensor &a = call.in(0), &c = call.out();
  const auto k = call.size(kK), n = call.size(kN);
  Scratch memory(scratch);
  PackedRhs right(memory, call.in(1), call.real(kMultiplier), k, n);
  Gemm gemm = right.gemm();
  gemm.m = call.size(kM);
  gemm.a_stride = call.size(kLhsRow);
  gemm.a_signed = a.dtype == Dtype::kS8;
  gemm.a_zero = a.zero_point;
  gemm.output = c.is_float() ? Output::kFloat : Output::kBytes;
  gemm.zero_point = c.zero_point;
  gemm.low = call.int32(kLow);
  gemm.high = call.int32(kHigh);
  gemm.c_stride = call.size(kRow);
  const Batches batches(call, kSchema);
  std::int64_t packed = -1;
  for (std::int64_t i = first; i < last; ++i) {
    const std::int64_t at = batches.offset(i, kRhs);
    if (at != packed) {
      right.pack(call.kernels, call.read<std::uint8_t>(1) + at, call.attribute(kRhsK), call.attribute(kRhsN));
      packed = at;
    }
    gemm.a = call.read<std::uint8_t>(0) + batches.offset(i, kLhs);
    gemm.c = call.write<std::byte>() + batches.offset(i, kResult) * static_cast<std::int64_t>(size_of(c.dtype));
    call.kernels.gemm(gemm, memory.rest());
  }
}

void run(const Call& call) {
  const auto count = static_cast<std::size_t>(call.out().count / call.attribute(kM) / call.attribute(kN));
  const auto work = static_cast<std::size_t>(multiply_adds(call));
  share(call, count, work, [&](std::size_t first, std::size_t last, std::byte* scratch) {
    run_some(call, static_cast<std::int64_t>(first), static_cast<std::int64_t>(last), scratch);
  });
}

}  // namespace

const OpKind kBatchMatMul{schema::BatchMatMul, check, run, scratch, multiply_adds};

}  // namespace octavo
