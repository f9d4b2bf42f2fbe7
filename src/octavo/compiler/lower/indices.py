"""Gather: rows of a table, or parts of an activation, by their numbers."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.compiler.lower.attributes import integer
from octavo.compiler.lower.facts import Fact, Known, Unsupported
from octavo.compiler.lower.lowering import Lowering, real_array
from octavo.compiler.lower.movers import moved
from octavo.compiler.program import Tensor, view


def gather(lowering: Lowering, node: ir.Node) -> Fact:
    """Integers stay on their grid."""
    data, indices = lowering.fact(node.inputs[0]), lowering.fact(node.inputs[1])
    axis = integer(node, "axis", 0)
    if isinstance(data, Known) and isinstance(indices, Known):
        return Known(np.take(real_array(data), indices.array, axis))
    if isinstance(indices, Known):
        _check(node, indices.array, axis)
    numbers = lowering.real(node.inputs[1])
    if numbers.dtype not in (np.int32, np.int64):
        raise Unsupported(f"by numbers of {numbers.dtype}")

    def gathered(tensor: Tensor) -> Tensor:
        result = lowering.new(node, tensor.dtype, tensor.params)
        if isinstance(indices, Known) and _is_whole(indices.array, tensor.shape[axis]):
            return view(tensor, result.name, result.shape)
        attributes = [axis % len(tensor.shape)]
        return lowering.program.add("Gather", node.name or "", [tensor, numbers], result, attributes)

    return moved(lowering, node, gathered)


def _check(node: ir.Node, indices: np.ndarray, axis: int) -> None:
    shape = node.inputs[0].shape if node.inputs[0] is not None else None
    size = None if shape is None else shape[axis]
    if isinstance(size, int) and indices.size and (indices.min() < -size or indices.max() >= size):
        raise Unsupported("of rows that its table has not")


def _is_whole(indices: np.ndarray, size: int) -> bool:
    """Whether the numbers are all there are, in their order."""
    return np.array_equal(indices.reshape(-1), np.arange(size))
