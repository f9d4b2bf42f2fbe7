"""MatMul of two quantized activations, or of one with a batch of constant matrices: the operator BatchMatMul."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
import onnx_ir as ir

from octavo.affine import requantization_multiplier
from octavo.compiler.kinds import Value
from octavo.compiler.lower.lowering import Lowering
from octavo.compiler.lower.target import Target, bounds_of
from octavo.compiler.lower.values import Constant, LoweredValue, Plain, Quantized, Unsupported
from octavo.compiler.program import Tensor

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
    return Plain(
        _gemm(lowering, node, operands, lowering.new_output(node), {**bounds_of(None), "multiplier": float(multiplier)})
    )


def to_grid(lowering: Lowering, node: ir.Node, operands: Operands, target: Target) -> Tensor:
    """An integer GEMM, requantized to the output grid."""
    scales = (operands[0].params.scale, operands[1].params.scale, target.params.scale)
    result = lowering.new_output(node, target.params.grid.numpy_dtype, target.params)
    multiplier = float(requantization_multiplier(*scales))
    return _gemm(lowering, node, operands, result, {**bounds_of(target), "multiplier": multiplier})


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


def _gemm(
    lowering: Lowering, node: ir.Node, operands: Operands, result: Tensor, epilogue: Mapping[str, float]
) -> Tensor:
    """The GEMM with these attributes of its epilogue."""
    a, b = operands[0].tensor, operands[1].tensor
    shape = result.shape
    if max(len(a.shape), len(b.shape)) != len(shape):
        raise Unsupported("of operands of these ranks")
    (m, k), n = a.shape[-2:], b.shape[-1]
    batch = shape[:-2]
    attributes: dict[str, Value] = {
        **epilogue,
        "m": m,
        "n": n,
        "k": k,
        "a_row_stride": k,
        "b_k_stride": n,
        "b_n_stride": 1,
        "c_row_stride": n,
        "batch_size": list(batch),
        "a_batch_stride": [m * k * stride for stride in broadcast_strides(a.shape[:-2], batch)],
        "b_batch_stride": [k * n * stride for stride in broadcast_strides(b.shape[:-2], batch)],
        "c_batch_stride": [m * n * stride for stride in strides(batch)],
    }
    return lowering.program.add("BatchMatMul", node.name or "", [a, b], result, attributes)
