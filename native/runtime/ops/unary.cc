// Unary function of float32, elementwise.
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"

namespace octavo {
namespace {

constexpr std::size_t kFunction = schema::UnaryFloat["function"], kAlpha = schema::UnaryFloat["alpha"],
                      kBeta = schema::UnaryFloat["beta"];

const char* check(const View& view) {
  if (!has_inputs(view, 1)) return "expected 1 input";
  if (!view.in(0).is_float() || !view.out().is_float()) return "tensors must be float32";
  if (!is_function(view.attribute(kFunction))) return "unknown function";
  return view.in(0).count == view.out().count ? nullptr : "element count mismatch";
}

void run(const Call& call) {
  share_elements(call, static_cast<std::size_t>(call.out().count), [&](std::size_t i, std::size_t end) {
    call.kernels.apply(static_cast<Function>(call.attribute(kFunction)), call.real(kAlpha), call.real(kBeta),
                       call.read<float>(0) + i, end - i, call.write<float>() + i);
  });
}

}  // namespace

const OpKind kUnaryFloat{schema::UnaryFloat, check, run};

}  // namespace octavo
