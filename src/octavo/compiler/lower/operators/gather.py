"""Gather: slices of a tensor by index."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.compiler.lower.lowering import Lowering, OpLowering
from octavo.compiler.lower.movement import move
from octavo.compiler.lower.onnx_attributes import integer
from octavo.compiler.lower.values import Constant, LoweredValue, Unsupported
from octavo.compiler.program import Tensor, view


def gather(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Gather along one axis."""
    data, indices = lowering.lowered(node.inputs[0]), lowering.lowered(node.inputs[1])
    axis = integer(node, "axis", 0)
    if isinstance(data, Constant) and isinstance(indices, Constant):
        return Constant(np.take(data.values, indices.array, axis))
    if isinstance(indices, Constant):
        _check_bounds(node, indices.array, axis)
    index_tensor = lowering.tensor(node.inputs[1])
    if index_tensor.dtype not in (np.int32, np.int64):
        raise Unsupported(f"by indices of {index_tensor.dtype}")

    def gathered(tensor: Tensor) -> Tensor:
        result = lowering.new_output(node, tensor.dtype, tensor.params)
        if isinstance(indices, Constant) and _is_identity(indices.array, tensor.shape[axis]):
            return view(tensor, result.name, result.shape)
        attributes = {"axis": axis % len(tensor.shape)}
        return lowering.program.add("Gather", node.name or "", [tensor, index_tensor], result, attributes)

    return move(lowering, node, gathered)


def _check_bounds(node: ir.Node, indices: np.ndarray, axis: int) -> None:
    shape = node.inputs[0].shape if node.inputs[0] is not None else None
    size = None if shape is None else shape[axis]
    if isinstance(size, int) and indices.size and (indices.min() < -size or indices.max() >= size):
        raise Unsupported("with indices out of bounds")


def _is_identity(indices: np.ndarray, size: int) -> bool:
    """Whether the indices select every slice in order."""
    return np.array_equal(indices.reshape(-1), np.arange(size))


LOWERINGS = {"Gather": OpLowering(gather)}
