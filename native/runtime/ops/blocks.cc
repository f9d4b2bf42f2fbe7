#include "runtime/ops/blocks.h"

#include "runtime/ops/slices.h"
#include "runtime/ops/types.h"

namespace octavo {

Blocks blocks_of(const View& view) {
  // Both operators store these attributes first and in the same order.
  constexpr const schema::Operator& kSchema = schema::QuantizeBlocks;
  return {view.attribute(kSchema["outer"]), view.attribute(kSchema["length"]), view.attribute(kSchema["inner"]),
          view.attribute(kSchema["sharing"]), view.attribute(kSchema["block"])};
}

const char* check_blocks(const View& view, const Tensor& integers) {
  const Blocks blocks = blocks_of(view);
  const Tensor &scale = view.in(1), &zero_point = view.in(2);
  if (view.in(0).count != view.out().count) return "element count mismatch";
  if (!is_integer(integers)) return "integers must be 8-bit, 16-bit or int32";
  if (!cover({blocks.outer, blocks.length, blocks.inner}, view.in(0))) return "axis out of range";
  if (blocks.sharing < Blocks::kTensor || blocks.sharing > Blocks::kBlock) return "unknown sharing of scales";
  if (blocks.block < 1 || blocks.block > blocks.length) return "block size out of range";
  if (!scale.is_float() || scale.count != blocks.scales()) return "expected one scale for each block";
  if (zero_point.dtype != integers.dtype || zero_point.count != scale.count) return "zero point mismatch";
  return nullptr;
}

}  // namespace octavo
