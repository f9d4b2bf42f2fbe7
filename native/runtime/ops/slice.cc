// Strided slice; steps may be negative.
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/strided.h"

namespace octavo {
namespace {

constexpr std::size_t kStart = schema::Slice.per_axis("start"), kStep = schema::Slice.per_axis("step");

const char* check(const View& view) {
  const Tensor &in = view.in(0), &out = view.out();
  const auto rank = static_cast<std::size_t>(in.rank);
  if (!has_inputs(view, 1) || view.attributes() != 2 * rank) return "expected 1 input and two attributes for each axis";
  if (in.dtype != out.dtype || out.rank != in.rank) return "tensor mismatch";
  const auto starts = view.per_axis(kStart, rank), steps = view.per_axis(kStep, rank);
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t first = starts[i], step = steps[i], most = kMaxBytes;
    if (first < 0 || first >= in.dims[i] || step < -most || step > most) return "an axis is out of range";
    const std::int64_t last = first + (out.dims[i] - 1) * step;
    if (last < 0 || last >= in.dims[i]) return "an axis is out of range";
  }
  return nullptr;
}

void run(const Call& call) {
  const auto rank = static_cast<std::size_t>(call.in(0).rank);
  const auto starts = call.per_axis(kStart, rank), steps = call.per_axis(kStep, rank);
  Walk walk{};
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t elements = stride(call.in(0), static_cast<std::int64_t>(i));
    walk.begin += starts[i] * elements;
    walk.steps[i] = steps[i] * elements;
  }
  gather_strided(call, walk);
}

}  // namespace

const OpKind kSlice{schema::Slice, check, run};

}  // namespace octavo
