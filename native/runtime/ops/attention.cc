// Scaled dot-product attention on 8-bit tensors: softmax(scale * q k^T + mask) v. The softmax is quantized to a grid
// of its own before the second GEMM. Blocks of rows keep the scores in the cache.
//
// Inputs: q, k, v and optionally a float32 mask. Strides allow heads that are parts of longer rows (batches.h).
#include "runtime/ops/batches.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"

namespace octavo {
namespace {

constexpr const schema::Operator& kSchema = schema::Attention;
constexpr std::size_t kLow = kSchema["qmin"], kHigh = kSchema["qmax"], kMultiplier = kSchema["multiplier"];
constexpr std::size_t kScores = kSchema["score_multiplier"], kScale = kSchema["softmax_scale"],
                      kZero = kSchema["softmax_zero_point"], kShareLow = kSchema["softmax_qmin"],
                      kShareHigh = kSchema["softmax_qmax"], kShareType = kSchema["softmax_dtype"];
constexpr std::size_t kQueries = kSchema["queries"], kKeys = kSchema["keys"], kDepth = kSchema["head_size"],
                      kWidth = kSchema["value_size"];
constexpr std::size_t kQueryRow = kSchema["q_row_stride"], kKeyStep = kSchema["k_key_stride"],
                      kKeyDepth = kSchema["k_depth_stride"], kValueStep = kSchema["v_key_stride"],
                      kValueColumn = kSchema["v_column_stride"], kMaskRow = kSchema["mask_row_stride"],
                      kRow = kSchema["c_row_stride"];

// Inputs, in their order.
enum : std::size_t { kQ, kK, kV, kMask };
// Offsets of the batch strides within the record of a batch axis.
constexpr std::size_t kStrides[] = {kSchema.per_batch_axis("q_batch_stride"), kSchema.per_batch_axis("k_batch_stride"),
                                    kSchema.per_batch_axis("v_batch_stride"),
                                    kSchema.per_batch_axis("mask_batch_stride")};
constexpr std::size_t kResultStride = kSchema.per_batch_axis("c_batch_stride");

constexpr std::size_t kRows = 48;

Dtype share_type(const View& view) { return static_cast<Dtype>(view.attribute(kShareType)); }

// Whether the grid of the softmax is valid.
bool is_share_grid(const View& view) {
  if (share_type(view) != Dtype::kU8 && share_type(view) != Dtype::kS8) return false;
  const std::int64_t least = share_type(view) == Dtype::kS8 ? -128 : 0, zero = view.attribute(kZero);
  return is_scale(view.real(kScale)) && zero >= least && zero <= least + 255 &&
         are_bounds(view.attribute(kShareLow), view.attribute(kShareHigh), share_type(view));
}

const char* check(const View& view) {
  if (!has_inputs(view, 3) && !has_inputs(view, 4)) return "expected 3 inputs, or 4 with a mask";
  const bool masked = view.inputs() == 4;
  for (std::size_t i = 0; i < 3; ++i) {
    if (!view.in(i).is_byte()) return "inputs must be 8-bit";
  }
  const Tensor& c = view.out();
  if (!c.is_byte()) return "output must be 8-bit";
  if (masked && !view.in(3).is_float()) return "mask must be float32";
  if (!is_share_grid(view)) return "invalid scale, zero point or bounds of the softmax";
  const std::int64_t m = view.attribute(kQueries), keys = view.attribute(kKeys);
  const std::int64_t depth = view.attribute(kDepth), width = view.attribute(kWidth);
  if (depth > kMaxDepth || keys > kMaxDepth) return "accumulators can overflow";
  const Batches batches(view, kSchema);
  if (batches.reach_of(view.in(0), kStrides[kQ], {{m, view.attribute(kQueryRow)}, {depth, 1}}) < 0 ||
      batches.reach_of(view.in(1), kStrides[kK],
                       {{keys, view.attribute(kKeyStep)}, {depth, view.attribute(kKeyDepth)}}) < 0 ||
      batches.reach_of(view.in(2), kStrides[kV],
                       {{keys, view.attribute(kValueStep)}, {width, view.attribute(kValueColumn)}}) < 0 ||
      batches.reach_of(c, kResultStride, {{m, view.attribute(kRow)}, {width, 1}}) < 0 ||
      (masked && batches.reach_of(view.in(3), kStrides[kMask], {{m, view.attribute(kMaskRow)}, {keys, 1}}) < 0)) {
    return "strides are out of bounds";
  }
  const std::int64_t most = c.count / m / width;
  if (m * width * most != c.count || batches.count(most) != most) return "size mismatch";
  return are_bounds(view.attribute(kLow), view.attribute(kHigh), c.dtype) ? nullptr
                                                                          : "qmin and qmax out of range of the type";
}

std::size_t scratch(const View& view, const Kernels& kernels) {
  const std::size_t keys = view.size(kKeys), depth = view.size(kDepth);
  const std::size_t rows = std::min(kRows, view.size(kQueries));
  return PackedRhs::bytes(depth, keys) + PackedRhs::bytes(keys, view.size(kWidth)) +
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
        batches_(call, kSchema),
        queries_(call.size(kQueries)),
        count_(call.size(kKeys)),
        memory_(scratch),
        keys_(memory_, call.in(1), call.real(kScores), call.size(kDepth), count_),
        values_(memory_, call.in(2), call.real(kMultiplier), count_, call.size(kWidth)),
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
    return call_.read<T>(input) + batches_.offset(head, kStrides[input]);
  }

  void score(std::int64_t head, std::size_t row, std::size_t rows) {
    const Tensor& q = call_.in(0);
    Gemm gemm = keys_.gemm();
    gemm.m = rows;
    gemm.a_stride = call_.size(kQueryRow);
    gemm.a = at<std::uint8_t>(kQ, head) + row * gemm.a_stride;
    gemm.a_signed = q.dtype == Dtype::kS8;
    gemm.a_zero = q.zero_point;
    gemm.output = Output::kFloat;
    gemm.c = scores_;
    gemm.c_stride = count_;
    call_.kernels.gemm(gemm, memory_.rest());
  }

  void share(std::int64_t head, std::size_t row, std::size_t rows) {
    const Mapping mapping{call_.real(kScale), call_.int32(kZero), call_.int32(kShareLow), call_.int32(kShareHigh)};
    const float* mask = call_.inputs() == 4 ? at<float>(kMask, head) + row * call_.size(kMaskRow) : nullptr;
    call_.kernels.softmax({rows, count_, scores_, mask, call_.size(kMaskRow), scores_, shares_, mapping});
  }

  void gather(std::int64_t head, std::size_t row, std::size_t rows) {
    Gemm gemm = values_.gemm();
    gemm.m = rows;
    gemm.a = shares_;
    gemm.a_stride = count_;
    gemm.a_signed = share_type(call_) == Dtype::kS8;
    gemm.a_zero = call_.int32(kZero);
    gemm.output = Output::kBytes;
    gemm.zero_point = call_.out().zero_point;
    gemm.low = call_.int32(kLow);
    gemm.high = call_.int32(kHigh);
    gemm.c_stride = call_.size(kRow);
    gemm.c = call_.write<std::uint8_t>() + batches_.offset(head, kResultStride) +
             static_cast<std::int64_t>(row * gemm.c_stride);
    call_.kernels.gemm(gemm, memory_.rest());
  }

  const Call& call_;
  Batches batches_;
  std::size_t queries_, count_;
  Scratch memory_;
  PackedRhs keys_, values_;
  float* scores_;
  std::uint8_t* shares_;
};

void run(const Call& call) {
  const std::size_t heads = static_cast<std::size_t>(call.out().count) / call.size(kQueries) / call.size(kWidth);
  const std::size_t work = static_cast<std::size_t>(multiply_adds(call)) * kStepWork;
  share(call, heads, work, [&](std::size_t first, std::size_t last, std::byte* scratch) {
    Attention attention(call, scratch);
    for (std::size_t head = first; head < last; ++head) attention.run(static_cast<std::int64_t>(head));
  });
}

}  // namespace

const OpKind kAttention{schema::Attention, check, run, scratch, multiply_adds};

}  // namespace octavo
