// Dequantization of 8-bit tensors to float32.
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/widen.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  if (!has_inputs(view, 1)) return "expected 1 input";
  if (!view.in(0).is_byte() || !view.out().is_float()) return "input must be 8-bit and output float32";
  return view.in(0).count == view.out().count ? nullptr : "element count mismatch";
}

void run(const Call& call) {
  share_elements(call, static_cast<std::size_t>(call.out().count), [&](std::size_t i, std::size_t end) {
    widen(call.kernels, call.in(0), call.read<std::uint8_t>(0) + i, end - i, call.write<float>() + i);
  });
}

}  // namespace

const OpKind kDequantize{schema::Dequantize, check, run};

}  // namespace octavo
