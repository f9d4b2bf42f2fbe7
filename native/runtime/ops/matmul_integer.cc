// Integer GEMM with arbitrary zero points on both sides and optionally weights for each group: (..., groups, M, K) by
// (groups, K, N). Inputs: the activation; its zero point (one value of its type, constant or computed); packed weights
// (kernels/packing.h); sum, zero point, bias and multiplier of each column. The output is the int32 accumulator,
// float32, or 8 bits as for MatMul.
#include <algorithm>

#include "kernels/packing.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/gemm.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"

namespace octavo {
namespace {

constexpr std::size_t kGroup = schema::MatMulInteger["group"], kLow = schema::MatMulInteger["qmin"],
                      kHigh = schema::MatMulInteger["qmax"];

enum : std::size_t { kActivation, kZero, kWeights, kSums, kWeightZeros, kBias, kMultiplier, kInputs };

struct Shape {
  std::int64_t groups, rows, k, n;  // rows of one matrix
};

// Weights without groups apply to all rows; with groups, to the rows of one axis.
Shape shape_of(const View& view) {
  const Tensor& a = view.in(kActivation);
  const std::int64_t groups = view.attribute(kGroup), k = last_dim(a), n = last_dim(view.out());
  return {groups, groups == 1 || a.rank < 2 ? a.count / k : a.dims[a.rank - 2], k, n};
}

const char* check_columns(const View& view, const Shape& s) {
  const auto panels_of_all = static_cast<std::int64_t>(panels(static_cast<std::size_t>(s.n))) * s.groups;
  const auto panel = static_cast<std::int64_t>(panel_bytes(static_cast<std::size_t>(s.k)));
  const auto columns = panels_of_all * static_cast<std::int64_t>(kPanelColumns);
  if (!is_vector(view.in(kWeights), Dtype::kS8, panels_of_all * panel))
    return "weights do not have the size of their panels";
  for (const std::size_t input : {kSums, kWeightZeros, kBias}) {
    if (!is_vector(view.in(input), Dtype::kS32, columns))
      return "expected one sum, zero point and bias for each column";
  }
  return is_vector(view.in(kMultiplier), Dtype::kF32, columns) ? nullptr : "expected one multiplier for each column";
}

const char* check(const View& view) {
  if (!has_inputs(view, kInputs)) return "expected 7 inputs";
  const Tensor &a = view.in(kActivation), &zero = view.in(kZero), &out = view.out();
  if (!a.is_byte() || zero.dtype != a.dtype || zero.count != 1) return "activation and zero point mismatch";
  if (view.attribute(kGroup) < 1 || view.attribute(kGroup) > a.count) return "group mismatch";
  const Shape s = shape_of(view);
  const std::int64_t matrices = a.count / s.k / s.rows;
  if (matrices % s.groups != 0) return "group mismatch";
  if (a.count / s.k != out.count / s.n) return "row count mismatch";
  if (const char* fault = check_columns(view, s)) return fault;
  if (!out.is_byte()) return nullptr;
  return are_bounds(view.attribute(kLow), view.attribute(kHigh), out.dtype) ? nullptr
                                                                            : "qmin and qmax out of range of the type";
}

std::size_t scratch(const View& view, const Kernels& kernels) {
  const Shape s = shape_of(view);
  return kernels.gemm_scratch(static_cast<std::size_t>(s.rows), static_cast<std::size_t>(s.k));
}

Gemm plain_product_of(const Call& call, const Shape& s) {
  const bool is_signed = call.in(kActivation).dtype == Dtype::kS8;
  const Tensor& out = call.out();
  Gemm gemm{};
  gemm.m = static_cast<std::size_t>(s.rows);
  gemm.n = gemm.c_stride = static_cast<std::size_t>(s.n);
  gemm.k = gemm.a_stride = static_cast<std::size_t>(s.k);
  gemm.a_signed = is_signed;
  gemm.a_zero = is_signed ? *call.read<std::int8_t>(kZero) : *call.read<std::uint8_t>(kZero);
  gemm.output = out.is_float() ? Output::kFloat : out.is_byte() ? Output::kBytes : Output::kInt32;
  gemm.zero_point = out.zero_point;
  gemm.low = call.int32(kLow);
  gemm.high = call.int32(kHigh);
  return gemm;
}

std::int64_t multiply_adds(const View& view) { return view.out().count * shape_of(view).k; }

// The GEMM of one matrix.
Gemm matrix_of(const Call& call, const Shape& s, std::size_t i) {
  Gemm gemm = plain_product_of(call, s);
  const std::size_t width = panels(gemm.n) * kPanelColumns, bytes = panels(gemm.n) * panel_bytes(gemm.k);
  const std::size_t group = i % static_cast<std::size_t>(s.groups);
  gemm.a = call.read<std::uint8_t>(kActivation) + i * gemm.m * gemm.k;
  gemm.b = call.read<std::int8_t>(kWeights) + group * bytes;
  gemm.b_sums = call.read<std::int32_t>(kSums) + group * width;
  gemm.b_zero = call.read<std::int32_t>(kWeightZeros) + group * width;
  gemm.bias = call.read<std::int32_t>(kBias) + group * width;
  gemm.multiplier = call.read<float>(kMultiplier) + group * width;
  gemm.c = call.write<std::byte>() + i * gemm.m * gemm.n * size_of(call.out().dtype);
  return gemm;
}

// Parallel over the rows of all matrices.
void run(const Call& call) {
  const Shape s = shape_of(call);
  const auto matrices = static_cast<std::size_t>(call.in(kActivation).count / s.k / s.rows);
  const auto rows = static_cast<std::size_t>(s.rows), work = static_cast<std::size_t>(multiply_adds(call));
  share(call, matrices * rows, work, [&](std::size_t first, std::size_t last, std::byte* scratch) {
    for (std::size_t next = first, count; next < last; next += count) {
      const std::size_t row = next % rows;
      count = std::min(rows - row, last - next);
      call.kernels.gemm(rows_of(matrix_of(call, s, next / rows), row, count), scratch);
    }
  });
}

}  // namespace

const OpKind kMatMulInteger{schema::MatMulInteger, check, run, scratch, multiply_adds};

}  // namespace octavo
