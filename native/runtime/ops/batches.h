// Batched GEMM of two 8-bit activations. Operands are strided: a head of an attention is a part of each row, and
// strides of rows, columns and batch axes make transpositions free of copies.
#pragma once

#include <algorithm>
#include <initializer_list>

#include "kernels/kernels.h"
#include "kernels/packing.h"
#include "runtime/op.h"
#include "runtime/ops/scratch.h"

namespace octavo {

// Largest k for which the accumulator of two 8-bit operands with zero points cannot overflow int32.
inline constexpr std::int64_t kMaxDepth = 33025;

struct Stride {
  std::int64_t size, step;
};

// Offset of the last element along some axes; -1 if it is out of bounds of the tensor.
inline std::int64_t reach(const Tensor& tensor, std::int64_t from, std::initializer_list<Stride> axes) {
  for (const auto& [size, step] : axes) {
    if (from < 0 || size < 1 || size > static_cast<std::int64_t>(kMaxBytes) || step < 0 || step > tensor.count)
      return -1;
    from += (size - 1) * step;
    if (from >= tensor.count) return -1;
  }
  return from;
}

// The batch axes: behind the single attributes, a record for each with its size and the stride of each operand.
class Batches {
 public:
  Batches(const View& view, const schema::Operator& op)
      : view_(view),
        first_(op.count(schema::Repeat::kOnce)),
        record_(op.count(schema::Repeat::kPerBatchAxis)),
        axes_((view.attributes() - first_) / record_) {}

  std::int64_t size(std::size_t axis) const { return view_.attribute(first_ + axis * record_); }
  // `operand` is the attribute's place in the record, as schema::NAME.per_batch_axis gives it.
  std::int64_t step(std::size_t axis, std::size_t operand) const {
    return view_.attribute(first_ + axis * record_ + operand);
  }

  // `reach` of a matrix of an operand and all batch axes.
  std::int64_t reach_of(const Tensor& tensor, std::size_t operand, std::initializer_list<Stride> matrix) const {
    std::int64_t from = reach(tensor, 0, matrix);
    for (std::size_t axis = 0; axis < axes_; ++axis) {
      from = reach(tensor, from, {{size(axis), step(axis, operand)}});
    }
    return from;
  }

  // The number of matrices; -1 if it is more than `most`.
  std::int64_t count(std::int64_t most) const {
    std::int64_t count = 1;
    for (std::size_t axis = 0; axis < axes_; ++axis) {
      if (size(axis) < 1 || size(axis) > most / count) return -1;
      count *= size(axis);
    }
    return count;
  }

  std::int64_t offset(std::int64_t index, std::size_t operand) const {
    std::int64_t at = 0;
    for (std::size_t axis = axes_; axis-- > 0; index /= size(axis)) at += index % size(axis) * step(axis, operand);
    return at;
  }

 private:
  const View& view_;
  std::size_t first_, record_, axes_;
};

// An rhs packed while the model runs, with zero point and multiplier of each column.
class PackedRhs {
 public:
  static std::size_t bytes(std::size_t k, std::size_t n) {
    return aligned(panels(n) * panel_bytes(k)) + 3 * aligned(panels(n) * kPanelColumns * sizeof(std::int32_t));
  }

  PackedRhs(Scratch& memory, const Tensor& tensor, float multiplier, std::size_t k, std::size_t n)
      : right_{nullptr, k, n, 0, 0, static_cast<std::uint8_t>(tensor.dtype == Dtype::kU8 ? 0x80 : 0)},
        zero_(tensor.zero_point - right_.flip),
        packed_(memory.take<std::int8_t>(panels(n) * panel_bytes(k))),
        sums_(memory.take<std::int32_t>(panels(n) * kPanelColumns)),
        zeros_(memory.take<std::int32_t>(panels(n) * kPanelColumns)),
        multipliers_(memory.take<float>(panels(n) * kPanelColumns)) {
    std::fill_n(zeros_, panels(n) * kPanelColumns, zero_);
    std::fill_n(multipliers_, panels(n) * kPanelColumns, multiplier);
  }

  void pack(const Kernels& kernels, const std::uint8_t* b, std::int64_t k_step, std::int64_t n_step) {
    right_.b = b;
    right_.k_stride = static_cast<std::ptrdiff_t>(k_step);
    right_.n_stride = static_cast<std::ptrdiff_t>(n_step);
    kernels.pack_rhs(right_, packed_, sums_);
  }

  // A GEMM without lhs and output.
  Gemm gemm() const {
    Gemm gemm{};
    gemm.n = right_.n;
    gemm.k = right_.k;
    gemm.b = packed_;
    gemm.b_sums = sums_;
    gemm.b_zero = zero_ == 0 ? nullptr : zeros_;
    gemm.multiplier = multipliers_;
    return gemm;
  }

 private:
  RhsSource right_;
  std::int32_t zero_;
  std::int8_t* packed_;
  std::int32_t* sums_;
  std::int32_t* zeros_;
  float* multipliers_;
};

}  // namespace octavo
