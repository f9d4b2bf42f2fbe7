"""Products of two activations on grids, matrix by matrix: `native/runtime/ops/batch_matmul.cc` says its attributes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import onnx_ir as ir

from octavo.affine import requantization_multiplier
from octavo.compiler.lower import products
from octavo.compiler.lower.facts import Fact, Known, OnGrid, Pending, Real, Unsupported
from octavo.compiler.lower.lowering import Lowering
from octavo.compiler.lower.target import Target
from octavo.compiler.program import Tensor, float_bits

LOW, HIGH, MULTIPLIER, M, N, K, A_ROW, B_K, B_COLUMN, C_ROW, AXES = range(11)
AXIS = 4
# Sums of that many products of two differences of 8-bit integers stay below 2 to the 31.
_DEEPEST = 33025


def matmul(lowering: Lowering, node: ir.Node) -> Fact:
    """A product of two activations on grids waits for its result's grid."""
    return products.matmul(lowering, node) if _pair(lowering, node) is None else Pending(node)


def finish_matmul(lowering: Lowering, node: ir.Node) -> Fact:
    """On integers, to floats."""
    pair = _pair(lowering, node)
    if pair is None:
        return products.finish_matrix(lowering, node)
    multiplier = np.multiply(pair[0].params.scale, pair[1].params.scale, dtype=np.float32)
    return Real(_written(lowering, node, pair, lowering.new(node), [0, 0, float_bits(float(multiplier))]))


def integer_matmul(lowering: Lowering, node: ir.Node, target: Target) -> Tensor | None:
    """On integers, to the target's grid."""
    pair = _pair(lowering, node)
    if pair is None:
        return products.integer_matrix(lowering, node, target)
    scales = (pair[0].params.scale, pair[1].params.scale, target.params.scale)
    result = lowering.new(node, target.params.grid.numpy_dtype, target.params)
    multiplier = float_bits(float(requantization_multiplier(*scales)))
    return _written(lowering, node, pair, result, [*target.bounds, multiplier])


def strides(shape: Sequence[int]) -> list[int]:
    """Elements from one to the next along each axis."""
    return [prod(shape[axis + 1 :]) for axis in range(len(shape))]


def broadcast_strides(shape: Sequence[int], result: Sequence[int]) -> list[int]:
    """The same, seen from a result that the tensor is stretched to; 0 where it is."""
    missing = len(result) - len(shape)
    own = [
        step if size == wanted else 0
        for size, wanted, step in zip(shape, result[missing:], strides(shape), strict=True)
    ]
    return [0] * missing + own


def _pair(lowering: Lowering, node: ir.Node) -> tuple[OnGrid, OnGrid] | None:
    """Both operands on grids, unless the second is a constant matrix."""
    known = lowering.fact(node.inputs[1])
    if isinstance(known, Known) and known.array.ndim <= 2:
        return None
    a, b = lowering.on_grid(node.inputs[0]), lowering.on_grid(node.inputs[1])
    if a is None or b is None or len(a.tensor.shape) < 2 or len(b.tensor.shape) < 2:
        return None
    return (a, b) if a.tensor.shape[-1] <= _DEEPEST else None


def _written(lowering: Lowering, node: ir.Node, pair: tuple[OnGrid, OnGrid], result: Tensor, head: list[int]) -> Tensor:
    a, b = pair[0].tensor, pair[1].tensor
    shape = result.shape
    if max(len(a.shape), len(b.shape)) != len(shape):
        raise Unsupported("of operands whose axes do not fit")
    (m, k), n = a.shape[-2:], b.shape[-1]
    attributes = [*head, m, n, k, k, n, 1, n]
    whole = [broadcast_strides((*each.shape[:-2], 1, 1), (*shape[:-2], 1, 1)) for each in (a, b)]
    steps = [[size * step for step in each] for size, each in zip((m * k, k * n), whole, strict=True)]
    steps.append(strides(shape))
    for axis in range(len(shape) - 2):
        attributes += [shape[axis], *(step[axis] for step in steps)]
    return lowering.program.add("BatchMatMul", node.name or "", [a, b], result, attributes)
