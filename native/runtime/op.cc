#include "runtime/op.h"

#include <bit>

#include "runtime/ops/ops.h"

namespace octavo {
namespace {

// The bundle's numbers for them, from 1; a new one is added at the end.
const OpKind* const kKinds[] = {&kCopy,
                                &kQuantize,
                                &kDequantize,
                                &kLookup,
                                &kConv,
                                &kMatMul,
                                &kAdd,
                                &kMul,
                                &kMaxPool,
                                &kAveragePool,
                                &kTranspose,
                                &kConcat,
                                &kConvFloat,
                                &kMatMulFloat,
                                &kBinary,
                                &kUnary,
                                &kSoftmax,
                                &kReduce,
                                &kDepthwise,
                                &kSlice,
                                &kPad,
                                &kBatchMatMul,
                                &kAttention,
                                &kMatMulFunction,
                                &kLayerNorm,
                                &kGather,
                                &kCast,
                                &kCompare,
                                &kInteger,
                                &kWhere,
                                &kExpand,
                                &kConvTranspose,
                                &kConvTransposeFloat,
                                &kResample,
                                &kMatMulInteger,
                                &kPatches,
                                &kQuantizeBlocks,
                                &kDequantizeBlocks,
                                &kRange,
                                &kRangeScale,
                                &kRangeZeroPoint,
                                &kQuantizeRange};

}  // namespace

float View::number(std::size_t i) const { return std::bit_cast<float>(static_cast<std::uint32_t>(attribute(i))); }

const OpKind* kind_of(std::uint16_t number) {
  return number == 0 || number > std::size(kKinds) ? nullptr : kKinds[number - 1];
}

}  // namespace octavo
