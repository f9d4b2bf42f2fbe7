// Every kind of operator; each is defined in a file of its own.
#pragma once

#include "runtime/op.h"

namespace octavo {

extern const OpKind kCopy, kQuantize, kDequantize, kLookup, kConv, kMatMul, kAdd, kMul, kMaxPool, kAveragePool,
    kDepthwise;
extern const OpKind kTranspose, kConcat, kConvFloat, kMatMulFloat, kBinary, kUnary, kSoftmax, kReduce, kSlice, kPad;
extern const OpKind kBatchMatMul, kAttention, kMatMulFunction, kLayerNorm, kGather, kCast, kCompare, kInteger, kWhere,
    kExpand, kConvTranspose, kConvTransposeFloat, kResample;
extern const OpKind kMatMulInteger, kPatches, kQuantizeBlocks, kDequantizeBlocks, kRange, kRangeScale, kRangeZeroPoint,
    kQuantizeRange;

}  // namespace octavo
