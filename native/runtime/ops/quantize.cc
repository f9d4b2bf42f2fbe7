// Quantization of float32 to 8 bits.
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"

namespace octavo {
namespace {

constexpr std::size_t kLow = schema::Quantize["qmin"], kHigh = schema::Quantize["qmax"];

const char* check(const View& view) {
  if (!has_inputs(view, 1)) return "expected 1 input";
  if (!view.in(0).is_float() || !view.out().is_byte()) return "input must be float32 and output 8-bit";
  if (view.in(0).count != view.out().count) return "element count mismatch";
  return are_bounds(view.attribute(kLow), view.attribute(kHigh), view.out().dtype)
             ? nullptr
             : "qmin and qmax out of range of the type";
}

void run(const Call& call) {
  const Mapping mapping{call.out().scale, call.out().zero_point, call.int32(kLow), call.int32(kHigh)};
  share_elements(call, static_cast<std::size_t>(call.out().count), [&](std::size_t i, std::size_t end) {
    call.kernels.quantize(call.read<float>(0) + i, end - i, mapping, call.write<std::uint8_t>() + i);
  });
}

}  // namespace

const OpKind kQuantize{schema::Quantize, check, run};

}  // namespace octavo
