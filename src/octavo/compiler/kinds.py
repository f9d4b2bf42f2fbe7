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
    "ReduceFloat",
    "DepthwiseConv",
    "Slice",
    "Pad",
    "BatchMatMul",
    "Attention",
    "MatMulFunction",
    "LayerNorm",
    "Gather",
    "Cast",
    "Compare",
    "BinaryInteger",
    "Where",
    "Expand",
    "ConvTranspose",
    "ConvTransposeFloat",
    "Resample",
    "MatMulInteger",
    "Patches",
    "QuantizeBlocks",
    "DequantizeBlocks",
    "Range",
    "RangeScale",
    "RangeZeroPoint",
    "QuantizeRange",
)
# Those whose tensors may be of 16 bits.
SHORTS = frozenset({"Copy", "QuantizeBlocks", "DequantizeBlocks", "Cast"})
# The attribute that says which.
BINARY = {"Add": 1, "Sub": 2, "Mul": 3, "Div": 4, "Max": 5, "Min": 6, "Pow": 7}
UNARY = {
    "Clip": 1,
    "Sigmoid": 2,
    "Tanh": 3,
    "HardSigmoid": 4,
    "HardSwish": 5,
    "LeakyRelu": 6,
    "Erf": 7,
    "Gelu": 8,
    "GeluTanh": 9,
    "Exp": 10,
    "Sqrt": 11,
    "Abs": 12,
    "Neg": 13,
    "Reciprocal": 14,
    "Elu": 15,
}
REDUCTIONS = {"ReduceMean": 1, "ReduceSum": 2, "ReduceMax": 3, "ReduceMin": 4}
COMPARISONS = {"Equal": 1, "Less": 2, "LessOrEqual": 3, "Greater": 4, "GreaterOrEqual": 5}
INTEGER = {"Add": 1, "Sub": 2, "Mul": 3, "Div": 4, "Max": 5, "Min": 6, "And": 7, "Or": 8, "Xor": 9}
