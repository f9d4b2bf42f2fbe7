#include "runtime/ops/product.h"

#include <algorithm>
#include <limits>

#include "runtime/ops/checks.h"

namespace octavo {

namespace {

constexpr std::size_t kOwnGrid = 4;

bool is_joined(const View& view) { return view.inputs() == kProductInputs + 1 && view.in(kProductInputs).is_byte(); }

// The first of the two bounds.
std::size_t bounds_at(const View& view) { return view.attributes() - 2 - (is_joined(view) ? kOwnGrid : 0); }

const char* check_addend(const View& view) {
  if (!is_joined(view)) return nullptr;
  const Tensor& addend = view.in(kProductInputs);
  if (!view.out().is_byte() || addend.count != view.out().count) return "its addend does not fit";
  const std::size_t own = bounds_at(view) + 2;
  const float scale = view.real(own);
  const std::int64_t zero = view.attribute(own + 1), low = view.attribute(own + 2), high = view.attribute(own + 3);
  const bool sound = scale > 0 && scale <= std::numeric_limits<float>::max() && -128 <= low && low <= high &&
                     high <= 255 && -128 <= zero && zero <= 255;
  return sound ? nullptr : "its own grid is none";
}

}  // namespace

bool has_product(const View& view, std::size_t own_attributes) {
  return is_joined(view) ? has(view, kProductInputs + 1, own_attributes + 2 + kOwnGrid)
                         : has(view, kProductInputs, own_attributes + 2);
}

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
  const std::size_t low = bounds_at(view);
  if (!view.out().is_byte()) return "its result is neither float32 nor of 8 bits";
  if (!are_bounds(view.attribute(low), view.attribute(low + 1), view.out().dtype)) return "bounds leave the type";
  return check_addend(view);
}

Gemm product_of(const Call& call, std::int64_t group, std::int64_t k, std::int64_t n) {
  const std::size_t depth = static_cast<std::size_t>(k), width = static_cast<std::size_t>(n);
  const std::size_t first = static_cast<std::size_t>(group) * panels(width);
  const std::size_t column = first * kPanelColumns, bounds = bounds_at(call);
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
  gemm.output = call.out().is_float() ? Output::kFloat : is_joined(call) ? Output::kJoined : Output::kBytes;
  // Of the product's own grid: the output's, or where something is added the one that comes behind it.
  const std::size_t own = is_joined(call) ? bounds + kOwnGrid : bounds;
  gemm.zero_point = is_joined(call) ? static_cast<std::int32_t>(call.attribute(bounds + 3)) : call.out().zero_point;
  gemm.low = static_cast<std::int32_t>(call.attribute(own));
  gemm.high = static_cast<std::int32_t>(call.attribute(own + 1));
  gemm.c_stride = width;
  return gemm;
}

const Addend* addend_of(const Call& call, const Gemm& gemm, Addend& addend) {
  if (!is_joined(call)) return nullptr;
  const std::size_t bounds = bounds_at(call);
  const Tensor &other = call.in(kProductInputs), &out = call.out();
  const Mapping result{out.scale, out.zero_point, static_cast<std::int32_t>(call.attribute(bounds)),
                       static_cast<std::int32_t>(call.attribute(bounds + 1))};
  const std::ptrdiff_t at = static_cast<const std::byte*>(gemm.c) - call.write<std::byte>();
  addend = {call.read<std::uint8_t>(kProductInputs) + at,
            other.dtype == Dtype::kS8,
            other.scale,
            other.zero_point,
            call.real(bounds + 2),
            result};
  return &addend;
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
