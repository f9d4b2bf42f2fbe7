// Integers to float32 with a scale and zero point for each block (blocks.h). Inputs: the integers, scales, zero points
// of the same type. Attributes: those of the blocks.
#include "runtime/ops/blocks.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/integers.h"
#include "runtime/ops/ops.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  if (!has(view, 3, kBlockAttributes)) return "a dequantization by blocks has three inputs and five attributes";
  return view.out().is_float() ? check_blocks(view, view.in(0)) : "it gives float32";
}

template <class T>
void run_on(const Call& call) {
  const Blocks blocks = blocks_of(call);
  const T *from = call.read<T>(0), *zero_point = call.read<T>(2);
  const float* scale = call.read<float>(1);
  float* to = call.write<float>();
  for (std::int64_t row = 0; row < blocks.outer * blocks.length; ++row) {
    for (std::int64_t i = 0; i < blocks.inner; ++i) {
      const std::int64_t at = blocks.scale_of(row, i);
      const double difference = static_cast<double>(*from++) - static_cast<double>(zero_point[at]);
      *to++ = static_cast<float>(difference * static_cast<double>(scale[at]));
    }
  }
}

void run(const Call& call) {
  with_integers(call.in(0), [&]<class T>(T) { run_on<T>(call); });
}

}  // namespace

const OpKind kDequantizeBlocks{"DequantizeBlocks", check, run, nullptr, nullptr, true};

}  // namespace octavo
