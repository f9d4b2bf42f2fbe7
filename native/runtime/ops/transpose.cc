// Permutation of axes.
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/strided.h"

namespace octavo {
namespace {

constexpr std::size_t kPerm = schema::Transpose.per_axis("perm");

const char* check(const View& view) {
  const auto rank = static_cast<std::size_t>(view.in(0).rank);
  if (!has_inputs(view, 1) || view.attributes() != rank) return "expected 1 input and one attribute for each axis";
  if (view.in(0).dtype != view.out().dtype || view.out().rank != view.in(0).rank) return "tensor mismatch";
  const auto perm = view.per_axis(kPerm, rank);
  unsigned seen = 0;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t axis = perm[i];
    if (axis < 0 || axis >= view.in(0).rank || (seen >> axis & 1) != 0) return "axes are not a permutation";
    if (view.out().dims[i] != view.in(0).dims[axis]) return "shape mismatch";
    seen |= 1u << axis;
  }
  return nullptr;
}

void run(const Call& call) {
  const auto perm = call.per_axis(kPerm, static_cast<std::size_t>(call.out().rank));
  Walk walk{};
  for (std::size_t i = 0; i < perm.size(); ++i) walk.steps[i] = stride(call.in(0), perm[i]);
  gather_strided(call, walk);
}

}  // namespace

const OpKind kTranspose{schema::Transpose, check, run};

}  // namespace octavo
