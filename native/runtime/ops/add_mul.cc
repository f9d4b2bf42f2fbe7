// Elementwise add and multiply of two quantized 8-bit tensors with broadcasting: dequantize to float32, one operation,
// quantize.
#include <algorithm>

#include "runtime/ops/broadcast.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"

namespace octavo {
namespace {

constexpr std::size_t kLow = schema::Add["qmin"], kHigh = schema::Add["qmax"];

constexpr std::int64_t kPiece = 512;

const char* check(const View& view) {
  if (!has_inputs(view, 2)) return "expected 2 inputs";
  if (!view.in(0).is_byte() || !view.in(1).is_byte() || !view.out().is_byte()) return "tensors must be 8-bit";
  if (!broadcasts(view.in(0), view.out()) || !broadcasts(view.in(1), view.out())) return "shape mismatch";
  return are_bounds(view.attribute(kLow), view.attribute(kHigh), view.out().dtype)
             ? nullptr
             : "qmin and qmax out of range of the type";
}

// Part of a row of an operand; a broadcast value is repeated.
const std::uint8_t* piece(const Call& call, std::size_t operand, std::int64_t at, std::int64_t step, std::int64_t count,
                          std::uint8_t* repeated) {
  const std::uint8_t* from = call.read<std::uint8_t>(operand) + at;
  if (step != 0) return from;
  std::fill_n(repeated, count, *from);
  return repeated;
}

Elementwise join_of(const Call& call, bool product) {
  const Tensor &a = call.in(0), &b = call.in(1), &c = call.out();
  const Mapping result{c.scale, c.zero_point, call.int32(kLow), call.int32(kHigh)};
  return {nullptr,
          nullptr,
          nullptr,
          a.scale,
          b.scale,
          a.zero_point,
          b.zero_point,
          a.dtype == Dtype::kS8,
          b.dtype == Dtype::kS8,
          product,
          result};
}

void run_whole(const Call& call, const Elementwise& whole) {
  share_elements(call, static_cast<std::size_t>(call.out().count), [&](std::size_t i, std::size_t end) {
    Elementwise join = whole;
    join.a = call.read<std::uint8_t>(0) + i;
    join.b = call.read<std::uint8_t>(1) + i;
    join.c = call.write<std::uint8_t>() + i;
    call.kernels.elementwise(join, end - i);
  });
}

void run_rows(const Call& call, const Elementwise& whole) {
  const Tensor& result = call.out();
  const Rows a(call.in(0), result), b(call.in(1), result);
  const std::int64_t length = row_length(result);
  const auto rows = static_cast<std::size_t>(result.count / length);
  const auto work = static_cast<std::size_t>(result.count) * kElementWork;
  share(call, rows, work, [&](std::size_t first, std::size_t last, std::byte*) {
    std::uint8_t left[kPiece], right[kPiece];
    Elementwise join = whole;
    join.c = call.write<std::uint8_t>() + static_cast<std::int64_t>(first) * length;
    for (auto row = static_cast<std::int64_t>(first); row < static_cast<std::int64_t>(last); ++row) {
      const std::int64_t a_row = a.begin(row), b_row = b.begin(row);
      for (std::int64_t at = 0; at < length; at += kPiece) {
        const std::int64_t count = std::min(kPiece, length - at);
        join.a = piece(call, 0, a_row + at * a.step(), a.step(), count, left);
        join.b = piece(call, 1, b_row + at * b.step(), b.step(), count, right);
        call.kernels.elementwise(join, static_cast<std::size_t>(count));
        join.c += count;
      }
    }
  });
}

void run(const Call& call, bool product) {
  const Elementwise join = join_of(call, product);
  const bool whole = call.in(0).count == call.out().count && call.in(1).count == call.out().count;
  return whole ? run_whole(call, join) : run_rows(call, join);
}

void run_add(const Call& call) { run(call, false); }
void run_mul(const Call& call) { run(call, true); }

}  // namespace

const OpKind kAdd{schema::Add, check, run_add};
const OpKind kMul{schema::Mul, check, run_mul};

}  // namespace octavo
