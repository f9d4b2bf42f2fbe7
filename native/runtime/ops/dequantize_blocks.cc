// Dequantization with scales and zero points per axis or block (blocks.h). Inputs: integers, scales, zero points of
// the type of the integers.
#include "runtime/ops/blocks.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/types.h"
#include "runtime/ops/widen.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  if (!has_inputs(view, 3)) return "expected 3 inputs";
  return view.out().is_float() ? check_blocks(view, view.in(0)) : "output must be float32";
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

// 8-bit rows with a scale for each position, such as quantized embeddings.
bool is_table(const View& view) {
  const Blocks blocks = blocks_of(view);
  return view.in(0).is_byte() && blocks.sharing == Blocks::kAxis && blocks.inner == 1;
}

std::size_t scratch(const View& view, const Kernels&) {
  return is_table(view) ? static_cast<std::size_t>(blocks_of(view).length) * sizeof(float) : 0;
}

// The difference is exact, so the product is rounded once, as in run_on.
void run_table(const Call& call) {
  const auto length = static_cast<std::size_t>(blocks_of(call).length);
  Tensor plain = call.in(0);
  plain.scale = 1.0f;
  plain.zero_point = 0;
  auto* zero_points = reinterpret_cast<float*>(call.scratch());
  widen(call.kernels, plain, call.read<std::uint8_t>(2), length, zero_points);
  const std::uint8_t* from = call.read<std::uint8_t>(0);
  float* to = call.write<float>();
  for (std::int64_t row = 0; row < blocks_of(call).outer; ++row, from += length, to += length) {
    widen(call.kernels, plain, from, length, to);
    call.kernels.combine(Arithmetic::kSub, {to, 1, zero_points, 1, length, to});
    call.kernels.combine(Arithmetic::kMul, {to, 1, call.read<float>(1), 1, length, to});
  }
}

void run(const Call& call) {
  if (is_table(call)) return run_table(call);
  with_integers(call.in(0), [&]<class T>(T) { run_on<T>(call); });
}

}  // namespace

const OpKind kDequantizeBlocks{schema::DequantizeBlocks, check, run, scratch};

}  // namespace octavo
