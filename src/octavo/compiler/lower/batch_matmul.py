"""MatMul of two quantized activations, or of one with a batch of constant matrices: the operator BatchMatMul."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import onnx_ir as ir

from octavo.affine import requantization_multiplier
from octavo.compiler.lower.lowering import Lowering
from octavo.compiler.lower.target import Target
from octavo.compiler.lower.values import Constant, LoweredValue, Plain, Quantized, Unsupported
from octavo.compiler.program import Tensor, float_bits

LOW, HIGH, MULTIPLIER, M, N, K, A_ROW, B_K, B_COLUMN, C_ROW, AXES = range(11)
AXIS = 4
# The largest k at which sums of products of two 8-bit differences stay below 2**31.
_MAX_K = 33025

Operands = tuple[Quantized, Quantized]


def operands_of(lowering: Lowering, node: ir.Node) -> Operands | None:
    """Both operands if they are quantized and the second is not a constant matrix; else None."""
    lowered = lowering.lowered(node.inputs[1])
    if isinstance(lowered, Constant) and lowered.array.ndim <= 2:
        return None
    a, b = lowering.quantized(node.inputs[0]), lowering.quantized(node.inputs[1])
    if a is None or b is None or len(a.tensor.shape) < 2 or len(b.tensor.shape) < 2:
        return None
    return (a, b) if a.tensor.shape[-1] <= _MAX_K else None


def to_float(lowering: Lowering, node: ir.Node, operands: Operands) -> LoweredValue:
    """An integer GEMM with float output."""
    multiplier = np.multiply(operands[0].params.scale, operands[1].params.scale, dtype=np.float32)
    head = [0, 0, float_bits(float(multiplier))]
    return Plain(_gemm(lowering, node, operands, lowering.new_output(node), head))


def to_grid(lowering: Lowering, node: ir.Node, operands: Operands, target: Target) -> Tensor:
    """An integer GEMM, requantized to the output grid."""
    scales = (operands[0].params.scale, operands[1].params.scale, target.params.scale)
    result = lowering.new_output(node, target.params.grid.numpy_dtype, target.params)
    multiplier = float_bits(float(requantization_multiplier(*scales)))
    return _gemm(lowering, node, operands, result, [*target.bounds, multiplier])


def strides(shape: Sequence[int]) -> list[int]:
    """Stride of each axis of a contiguous tensor, in elements."""
    return [prod(shape[axis + 1 :]) for axis in range(len(shape))]


def broadcast_strides(shape: Sequence[int], result: Sequence[int]) -> list[int]:
    """Stride of each axis of the result through a tensor that is broadcast to it; 0 along broadcast axes."""
    missing = len(result) - len(shape)
    own = [
        stride if size == result_size else 0
        for size, result_size, stride in zip(shape, result[missing:], strides(shape), strict=True)
    ]
    return [0] * missing + own


def _gemm(lowering: Lowering, node: ir.Node, operands: Operands, result: Tensor, head: list[int]) -> Tensor:
    a, b = operands[0].tensor, operands[1].tensor
    shape = result.shape
    if max(len(a.shape), len(b.shape)) != len(shape):
        raise Unsupported("of operands of these ranks")
    (m, k), n = a.shape[-2:], b.shape[-1]
    attributes = [*head, m, n, k, k, n, 1, n]
    batches = [broadcast_strides((*t.shape[:-2], 1, 1), (*shape[:-2], 1, 1)) for t in (a, b)]
    steps = [[size * stride for stride in batch] for size, batch in zip((m * k, k * n), batches, strict=True)]
    steps.append(strides(shape))
    for axis in range(len(shape) - 2):
        attributes += [shape[axis], *(step[axis] for step in steps)]
    return lowering.program.add("BatchMatMul", node.name or "", [a, b], result, attributes)
