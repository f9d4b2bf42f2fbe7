"""The operators of the native runtime; a bundle stores their numbers, from 1, so that a new one is added at the end."""

from __future__ import annotations

KINDS = (
    "Copy",
    "Quantize",
    "Dequantize",
    "Lookup",
    "Conv",
    "MatMul",
    "Add",
    "Mul",
    "MaxPool",
    "AveragePool",
    "Transpose",
    "Concat",
    "ConvFloat",
    "MatMulFloat",
    "BinaryFloat",
    "UnaryFloat",
    "SoftmaxFloat",
    "ReduceMeanFloat",
    "DepthwiseConv",
    "Slice",
    "Pad",
    "MatMulInteger",
    "Patches",
    "QuantizeBlocks",
    "DequantizeBlocks",
    "Range",
    "RangeScale",
    "RangeZeroPoint",
    "QuantizeRange",
    "CastFloat",
)
# Those whose tensors may be of 16 bits.
SHORTS = frozenset({"Copy", "QuantizeBlocks", "DequantizeBlocks", "CastFloat"})
# The first attribute of BinaryFloat and UnaryFloat.
BINARY = {"Add": 1, "Sub": 2, "Mul": 3, "Div": 4}
UNARY = {"Clip": 1, "Sigmoid": 2, "Tanh": 3, "HardSigmoid": 4, "HardSwish": 5, "LeakyRelu": 6}
