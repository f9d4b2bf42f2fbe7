#include "runtime/ops/product.h"

#include <algorithm>

#include "runtime/ops/checks.h"

namespace octavo {

const char* check_product(const View& view, std::int64_t groups, std::int64_t k, std::int64_t n) {
  if (!view.in(0).is_byte()) return "its activation is not of 8 bits";
  const std::int64_t columns = static_cast<std::int64_t>(panels(static_cast<std::size_t>(n)) * kPanelColumns) * groups;
  const std::size_t panel = panel_bytes(static_cast<std::size_t>(k));
  const std::int64_t bytes = columns / static_cast<std::int64_t>(kPanelColumns) * static_cast<std::int64_t>(panel);
  if (!is_vector(view.in(1), Dtype::kS8, bytes)) return "its weights do not have the size of its panels";
  if (!is_vector(view.in(2), Dtype::kS32, columns)) return "it has not one sum for each column";
  if (!is_vector(view.in(3), Dtype::kS32, columns)) return "it has not one bias for each column";
  if (!is_vector(view.in(4), Dtype::kF32, columns)) return "it has not one multiplier for each column";
  if (view.out().is_float()) return nullptr;
  const std::size_t last = view.attributes() - 1;
  if (!view.out().is_byte()) return "its result is neither float32 nor of 8 bits";
  return are_bounds(view.attribute(last - 1), view.attribute(last), view.out().dtype) ? nullptr
                                                                                      : "bounds leave the type";
}

Gemm product_of(const Call& call, std::int64_t group, std::int64_t k, std::int64_t n) {
  const std::size_t depth = static_cast<std::size_t>(k), width = static_cast<std::size_t>(n);
  const std::size_t first = static_cast<std::size_t>(group) * panels(width);
  const std::size_t column = first * kPanelColumns, last = call.attributes() - 1;
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
  gemm.output = call.out().is_float() ? Output::kFloat : Output::kBytes;
  gemm.zero_point = call.out().zero_point;
  gemm.low = static_cast<std::int32_t>(call.attribute(last - 1));
  gemm.high = static_cast<std::int32_t>(call.attribute(last));
  gemm.c_stride = width;
  return gemm;
}

namespace {

void move_output(Gemm& gemm, std::size_t elements) {
  gemm.c = static_cast<std::byte*>(gemm.c) + elements * (gemm.output == Output::kBytes ? 1 : 4);
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
