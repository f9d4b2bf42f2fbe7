// Sum and product of two tensors of 8 bits, each on its grid: as float32, one operation, and back to 8 bits.
// Attributes: low, high.
#include <algorithm>

#include "runtime/ops/broadcast.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/widen.h"

namespace octavo {
namespace {

constexpr std::int64_t kPiece = 512;

const char* check(const View& view) {
  if (!has(view, 2, 2)) return "it has two inputs and two attributes";
  if (!view.in(0).is_byte() || !view.in(1).is_byte() || !view.out().is_byte()) return "its tensors are not of 8 bits";
  if (!stretches(view.in(0), view.out()) || !stretches(view.in(1), view.out())) return "its shapes do not fit";
  return are_bounds(view.attribute(0), view.attribute(1), view.out().dtype) ? nullptr : "bounds leave the type";
}

// A piece of one operand's row as float32; a single value is repeated.
void widen_piece(const Call& call, std::size_t operand, std::int64_t at, std::int64_t step, std::int64_t count,
                 float* x) {
  const Tensor& tensor = call.in(operand);
  const std::uint8_t* from = call.read<std::uint8_t>(operand) + at;
  if (step != 0) return widen(call.kernels, tensor, from, static_cast<std::size_t>(count), x);
  widen(call.kernels, tensor, from, 1, x);
  std::fill_n(x, count, x[0]);
}

template <class Join>
void run_rows(const Call& call, const Join& join) {
  const Tensor& result = call.out();
  const Mapping mapping{result.scale, result.zero_point, static_cast<std::int32_t>(call.attribute(0)),
                        static_cast<std::int32_t>(call.attribute(1))};
  // Without stretching, the whole tensor is one row.
  const bool whole = call.in(0).count == result.count && call.in(1).count == result.count;
  const Rows a(call.in(0), result), b(call.in(1), result);
  const std::int64_t length = whole ? result.count : row_length(result);
  const std::int64_t a_step = whole ? 1 : a.step(), b_step = whole ? 1 : b.step();
  std::uint8_t* to = call.write<std::uint8_t>();
  float left[kPiece], right[kPiece];
  for (std::int64_t row = 0; row < result.count / length; ++row) {
    const std::int64_t a_row = whole ? 0 : a.begin(row), b_row = whole ? 0 : b.begin(row);
    for (std::int64_t at = 0; at < length; at += kPiece) {
      const std::int64_t count = std::min(kPiece, length - at);
      widen_piece(call, 0, a_row + at * a_step, a_step, count, left);
      widen_piece(call, 1, b_row + at * b_step, b_step, count, right);
      for (std::int64_t i = 0; i < count; ++i) left[i] = join(left[i], right[i]);
      call.kernels.quantize(left, static_cast<std::size_t>(count), mapping, to);
      to += count;
    }
  }
}

void run_add(const Call& call) {
  run_rows(call, [](float a, float b) { return a + b; });
}
void run_mul(const Call& call) {
  run_rows(call, [](float a, float b) { return a * b; });
}

}  // namespace

const OpKind kAdd{"Add", check, run_add};
const OpKind kMul{"Mul", check, run_mul};

}  // namespace octavo
