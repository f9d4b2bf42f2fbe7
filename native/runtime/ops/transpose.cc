// Axes in another order. Attributes: for each axis of the result, the input's.
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/strided.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  const auto rank = static_cast<std::size_t>(view.in(0).rank);
  if (!has(view, 1, rank)) return "a transposition has one input and an attribute for each axis";
  if (view.in(0).dtype != view.out().dtype || view.out().rank != view.in(0).rank) return "its tensors do not fit";
  unsigned seen = 0;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t axis = view.attribute(i);
    if (axis < 0 || axis >= view.in(0).rank || (seen >> axis & 1) != 0) return "its axes are no permutation";
    if (view.out().dims[i] != view.in(0).dims[axis]) return "its shapes do not fit";
    seen |= 1u << axis;
  }
  return nullptr;
}

void run(const Call& call) {
  Walk walk{};
  for (int i = 0; i < call.out().rank; ++i) {
    walk.steps[i] = stride(call.in(0), call.attribute(static_cast<std::size_t>(i)));
  }
  gather_strided(call, walk);
}

}  // namespace

const OpKind kTranspose{schema::Transpose, check, run};

}  // namespace octavo
