// Broadcast of a tensor along its axes of length 1.
#include "runtime/ops/broadcast.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/strided.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  if (!has_inputs(view, 1)) return "expected 1 input";
  if (view.in(0).dtype != view.out().dtype) return "type mismatch";
  return broadcasts(view.in(0), view.out()) ? nullptr : "shape mismatch";
}

void run(const Call& call) {
  const Tensor &in = call.in(0), &out = call.out();
  Walk walk{};
  for (int i = 1; i <= in.rank; ++i) {
    if (in.dims[in.rank - i] != 1) walk.steps[out.rank - i] = stride(in, in.rank - i);
  }
  gather_strided(call, walk);
}

}  // namespace

const OpKind kExpand{schema::Expand, check, run};

}  // namespace octavo
