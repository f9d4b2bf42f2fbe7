#include "runtime/ops/gemm.h"

#include <algorithm>
#include <limits>

#include "runtime/ops/checks.h"

namespace octavo {

namespace {

bool has_residual(const View& view) { return view.inputs() == kGemmInputs + 1 && view.in(kGemmInputs).is_byte(); }

const char* check_residual(const View& view, const GemmAttributes& at) {
  const Tensor& residual = view.in(kGemmInputs);
  if (!view.out().is_byte() || residual.count != view.out().count) return "invalid residual";
  const float scale = view.real(at.product_scale);
  const std::int64_t zero_point = view.attribute(at.product_zero_point);
  const std::int64_t low = view.attribute(at.product_low), high = view.attribute(at.product_high);
  const bool valid = scale > 0 && scale <= std::numeric_limits<float>::max() && -128 <= low && low <= high &&
                     high <= 255 && -128 <= zero_point && zero_point <= 255;
  return valid ? nullptr : "invalid scale, zero point or bounds of the product";
}

}  // namespace

const char* check_gemm_inputs(const View& view, const schema::Operator& op) {
  if (!has_residual(view) && view.inputs() != kGemmInputs) return "expected 5 inputs, or 6 with a residual";
  const std::size_t single = op.count(schema::Repeat::kOnce), residual = op.count(schema::Repeat::kWithResidual);
  return view.attributes() == single + (has_residual(view) ? residual : 0) ? nullptr : "wrong number of attributes";
}

const char* check_gemm(const View& view, const GemmAttributes& at, std::int64_t groups, std::int64_t k,
                       std::int64_t n) {
  if (!view.in(0).is_byte()) return "activation must be 8-bit";
  const std::int64_t columns = static_cast<std::int64_t>(panels(static_cast<std::size_t>(n)) * kPanelColumns) * groups;
  const std::size_t panel = panel_bytes(static_cast<std::size_t>(k));
  const std::int64_t bytes = columns / static_cast<std::int64_t>(kPanelColumns) * static_cast<std::int64_t>(panel);
  if (!is_vector(view.in(1), Dtype::kS8, bytes)) return "weights do not have the size of their panels";
  if (!is_vector(view.in(2), Dtype::kS32, columns)) return "expected one sum for each column";
  if (!is_vector(view.in(3), Dtype::kS32, columns)) return "expected one bias for each column";
  if (!is_vector(view.in(4), Dtype::kF32, columns)) return "expected one multiplier for each column";
  if (view.out().is_float()) return nullptr;
  if (!view.out().is_byte()) return "output must be float32 or 8-bit";
  if (!are_bounds(view.attribute(at.low), view.attribute(at.high), view.out().dtype))
    return "qmin and qmax out of range of the type";
  return has_residual(view) ? check_residual(view, at) : nullptr;
}

Gemm gemm_of(const Call& call, const GemmAttributes& at, std::int64_t group, std::int64_t k, std::int64_t n) {
  const std::size_t depth = static_cast<std::size_t>(k), width = static_cast<std::size_t>(n);
  const std::size_t first = static_cast<std::size_t>(group) * panels(width);
  const std::size_t column = first * kPanelColumns;
  const bool residual = has_residual(call);
  Gemm gemm{};
  gemm.n = width;
  gemm.k = depth;
  gemm.a_stride = depth;
  gemm.a_signed = call.in(0).dtype == Dtype::kS8;
  gemm.a_zero = call.in(0).zero_point;
  gemm.b = call.read<std::int8_t>(1) + first * panel_bytes(depth);
  gemm.b_sums = call.read<std::int32_t>(2) + column;
  gemm.bias = call.read<std::int32_t>(3) + column;
  gemm.multiplier = call.read<float>(4) + column;
  gemm.output = call.out().is_float() ? Output::kFloat : residual ? Output::kResidual : Output::kBytes;
  // The grid of the product: that of the output, unless a residual is added to it first.
  gemm.zero_point = residual ? call.int32(at.product_zero_point) : call.out().zero_point;
  gemm.low = call.int32(residual ? at.product_low : at.low);
  gemm.high = call.int32(residual ? at.product_high : at.high);
  gemm.c_stride = width;
  return gemm;
}

const Residual* residual_of(const Call& call, const GemmAttributes& at, const Gemm& gemm, Residual& residual) {
  if (!has_residual(call)) return nullptr;
  const Tensor& in = call.in(kGemmInputs);
  const std::ptrdiff_t offset = static_cast<const std::byte*>(gemm.c) - call.write<std::byte>();
  residual = {call.read<std::uint8_t>(kGemmInputs) + offset,
              in.dtype == Dtype::kS8,
              in.scale,
              in.zero_point,
              call.real(at.product_scale),
              mapping_of(call.out(), call.attribute(at.low), call.attribute(at.high))};
  return &residual;
}

namespace {

void move_output(Gemm& gemm, std::size_t elements) {
  gemm.c = static_cast<std::byte*>(gemm.c) +
           elements * (gemm.output == Output::kFloat || gemm.output == Output::kInt32 ? 4 : 1);
}

}  // namespace

Gemm rows_of(const Gemm& whole, std::size_t first, std::size_t count) {
  Gemm part = whole;
  part.m = count;
  part.a += first * whole.a_stride;
  move_output(part, first * whole.c_stride);
  return part;
}

Gemm columns_of(const Gemm& whole, std::size_t first_panel, std::size_t count) {
  Gemm part = whole;
  const std::size_t first = first_panel * kPanelColumns;
  part.n = std::min(whole.n - first, count * kPanelColumns);
  part.b += first_panel * panel_bytes(whole.k);
  part.b_sums += first;
  if (part.b_zero != nullptr) part.b_zero += first;
  if (part.bias != nullptr) part.bias += first;
  if (part.multiplier != nullptr) part.multiplier += first;
  move_output(part, first);
  return part;
}

}  // namespace octavo
