// softmax(q k^T, scaled, and a mask added) v, of 8 bits on grids; what the softmax gives is put on a grid too. A few
// rows of the scores at a time stay near the processor.
//
// Inputs: q, k, v and, if there is one, the mask in float32. Attributes: low, high and the multiplier of the result's
// sums; the multiplier of the scores' sums; scale, zero point, low, high and type of the softmax's grid; how many
// queries, keys, and numbers of a key and of a value; how far rows of q, keys, their numbers, values, their numbers,
// rows of the mask and rows of the result are apart; and for each leading axis its size and the steps of q, k, v, mask
// and result (batches.h).
#include "runtime/ops/batches.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parts.h"

namespace octavo {
namespace {

enum : std::size_t {
  kLow,
  kHigh,
  kMultiplier,
  kScores,
  kScale,
  kZero,
  kShareLow,
  kShareHigh,
  kShareType,
  kQueries,
  kKeys,
  kDepth,
  kWidth,
  kQueryRow,
  kKeyStep,
  kKeyDepth,
  kValueStep,
  kValueColumn,
  kMaskRow,
  kRow,
  kAxes
};
enum : std::size_t { kQ, kK, kV, kMask, kResult, kOperands };

constexpr std::size_t kRows = 48;

std::size_t size_at(const View& view, std::size_t attribute) {
  return static_cast<std::size_t>(view.attribute(attribute));
}

Dtype share_type(const View& view) { return static_cast<Dtype>(view.attribute(kShareType)); }

// The grid of what the softmax gives.
bool is_share_grid(const View& view) {
  if (share_type(view) != Dtype::kU8 && share_type(view) != Dtype::kS8) return false;
  const std::int64_t least = share_type(view) == Dtype::kS8 ? -128 : 0, zero = view.attribute(kZero);
  return is_scale(view.real(kScale)) && zero >= least && zero <= least + 255 &&
         are_bounds(view.attribute(kShareLow), view.attribute(kShareHigh), share_type(view));
}

const char* check(const View& view) {
  if (view.inputs() < 3 || view.inputs() > 4 || view.outputs() != 1 || !Batches::fits(view, kAxes, kOperands)) {
    return "it has three or four inputs, twenty attributes and six for each leading axis";
  }
  const bool masked = view.inputs() == 4;
  for (std::size_t i = 0; i < 3; ++i) {
    if (!view.in(i).is_byte()) return "its inputs are not of 8 bits";
  }
  const Tensor& c = view.out();
  if (!c.is_byte()) return "its result is not of 8 bits";
  if (masked && !view.in(3).is_float()) return "its mask is not float32";
  if (!is_share_grid(view)) return "the grid of its softmax is none";
  const std::int64_t m = view.attribute(kQueries), keys = view.attribute(kKeys);
  const std::int64_t depth = view.attribute(kDepth), width = view.attribute(kWidth);
  if (depth > kDeepest || keys > kDeepest) return "its sums can overflow";
  const Batches batches(view, kAxes, kOperands);
  if (batches.reach_of(view.in(0), kQ, {{m, view.attribute(kQueryRow)}, {depth, 1}}) < 0 ||
      batches.reach_of(view.in(1), kK, {{keys, view.attribute(kKeyStep)}, {depth, view.attribute(kKeyDepth)}}) < 0 ||
      batches.reach_of(view.in(2), kV, {{keys, view.attribute(kValueStep)}, {width, view.attribute(kValueColumn)}}) <
          0 ||
      batches.reach_of(c, kResult, {{m, view.attribute(kRow)}, {width, 1}}) < 0 ||
      (masked && batches.reach_of(view.in(3), kMask, {{m, view.attribute(kMaskRow)}, {keys, 1}}) < 0)) {
    return "it reaches beyond its tensors";
  }
  const std::int64_t most = c.count / m / width;
  if (m * width * most != c.count || batches.count(most) != most) return "its sizes do not fit";
  return are_bounds(view.attribute(kLow), view.attribute(kHigh), c.dtype) ? nullptr : "bounds leave the type";
}

std::size_t scratch(const View& view, const Kernels& kernels) {
  const std::size_t keys = size_at(view, kKeys), depth = size_at(view, kDepth);
  const std::size_t rows = std::min(kRows, size_at(view, kQueries));
  return RightMatrix::bytes(depth, keys) + RightMatrix::bytes(keys, size_at(view, kWidth)) +
         aligned(rows * keys * sizeof(float)) + aligned(rows * keys) +
         std::max(kernels.gemm_scratch(rows, depth), kernels.gemm_scratch(rows, keys));
}

std::int64_t multiply_adds(const View& view) {
  const std::int64_t rows = view.out().count / view.attribute(kWidth);
  return rows * view.attribute(kKeys) * (view.attribute(kDepth) + view.attribute(kWidth));
}

class Attention {
 public:
  Attention(const Call& call, std::byte* scratch)
      : call_(call),
        batches_(call, kAxes, kOperands),
        queries_(size_at(call, kQueries)),
        count_(size_at(call, kKeys)),
        memory_(scratch),
        keys_(memory_, call.in(1), call.real(kScores), size_at(call, kDepth), count_),
        values_(memory_, call.in(2), call.real(kMultiplier), count_, size_at(call, kWidth)),
        scores_(memory_.take<float>(std::min(kRows, queries_) * count_)),
        shares_(memory_.take<std::uint8_t>(std::min(kRows, queries_) * count_)) {}

  void run(std::int64_t head) {
    keys_.pack(call_.kernels, at<std::uint8_t>(kK, head), call_.attribute(kKeyDepth), call_.attribute(kKeyStep));
    values_.pack(call_.kernels, at<std::uint8_t>(kV, head), call_.attribute(kValueStep), call_.attribute(kValueColumn));
    for (std::size_t row = 0; row < queries_; row += kRows) {
      const std::size_t rows = std::min(kRows, queries_ - row);
      score(head, row, rows);
      share(head, row, rows);
      gather(head, row, rows);
    }
  }

 private:
  template <class T>
  const T* at(std::size_t input, std::int64_t head) const {
    return call_.read<T>(input) + batches_.offset(head, input);
  }

  void score(std::int64_t head, std::size_t row, std::size_t rows) {
    const Tensor& q = call_.in(0);
    Gemm gemm = keys_.gemm();
    gemm.m = rows;
    gemm.a_stride = size_at(call_, kQueryRow);
    gemm.a = at<std::uint8_t>(kQ, head) + row * gemm.a_stride;
    gemm.a_signed = q.dtype == Dtype::kS8;
    gemm.a_zero = q.zero_point;
    gemm.output = Output::kFloat;
    gemm.c = scores_;
    gemm.c_stride = count_;
    call_.kernels.gemm(gemm, memory_.rest());
  }

  void share(std::int64_t head, std::size_t row, std::size_t rows) {
    const Mapping mapping{call_.real(kScale), static_cast<std::int32_t>(call_.attribute(kZero)),
                          static_cast<std::int32_t>(call_.attribute(kShareLow)),
                          static_cast<std::int32_t>(call_.attribute(kShareHigh))};
    const float* mask = call_.inputs() == 4 ? at<float>(kMask, head) + row * size_at(call_, kMaskRow) : nullptr;
    call_.kernels.softmax({rows, count_, scores_, mask, size_at(call_, kMaskRow), scores_, shares_, mapping});
  }

  void gather(std::int64_t head, std::size_t row, std::size_t rows) {
    Gemm gemm = values_.gemm();
    gemm.m = rows;
    gemm.a = shares_;
    gemm.a_stride = count_;
    gemm.a_signed = share_type(call_) == Dtype::kS8;
    gemm.a_zero = static_cast<std::int32_t>(call_.attribute(kZero));
    gemm.output = Output::kBytes;
    gemm.zero_point = call_.out().zero_point;
    gemm.low = static_cast<std::int32_t>(call_.attribute(kLow));
    gemm.high = static_cast<std::int32_t>(call_.attribute(kHigh));
    gemm.c_stride = size_at(call_, kRow);
    gemm.c =
        call_.write<std::uint8_t>() + batches_.offset(head, kResult) + static_cast<std::int64_t>(row * gemm.c_stride);
    call_.kernels.gemm(gemm, memory_.rest());
  }

  const Call& call_;
  Batches batches_;
  std::size_t queries_, count_;
  Scratch memory_;
  RightMatrix keys_, values_;
  float* scores_;
  std::uint8_t* shares_;
};

void run(const Call& call) {
  const std::size_t heads =
      static_cast<std::size_t>(call.out().count) / size_at(call, kQueries) / size_at(call, kWidth);
  const std::size_t work = static_cast<std::size_t>(multiply_adds(call)) * kStepWork;
  share(call, heads, work, [&](std::size_t first, std::size_t last, std::byte* scratch) {
    Attention attention(call, scratch);
    for (std::size_t head = first; head < last; ++head) attention.run(static_cast<std::int64_t>(head));
  });
}

}  // namespace

const OpKind kAttention{schema::Attention, check, run, scratch, multiply_adds};

}  // namespace octavo
