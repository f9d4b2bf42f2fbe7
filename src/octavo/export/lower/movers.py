"""Operators that move numbers and compute nothing: integers stay on their grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from octavo.export.lower.attributes import integer, integers
from octavo.export.lower.facts import Fact, Known, OnGrid, Pending, Real, Unsupported
from octavo.export.lower.grids import requantized
from octavo.export.lower.lowering import Lowering, real_array, static_shape
from octavo.export.lower.target import Target
from octavo.export.program import Tensor, view


def reshape(lowering: Lowering, node: ir.Node) -> Fact:
    """The same buffer in another shape."""
    shape, name = static_shape(node.outputs[0]), node.outputs[0].name or ""
    fact = lowering.fact(node.inputs[0])
    if isinstance(fact, Known):
        return Known(real_array(fact).reshape(shape))

    def seen(tensor: Tensor) -> Tensor:
        if tensor.count != int(np.prod(shape)):
            raise Unsupported("to a shape that fixes another batch size")
        return view(tensor, name, shape)

    return moved(lowering, node, seen)


def transpose(lowering: Lowering, node: ir.Node) -> Fact:
    """Axes in another order; where only axes of length 1 move, the same buffer."""
    fact = lowering.fact(node.inputs[0])
    given = integers(node, "perm")
    if isinstance(fact, Known):
        return Known(np.transpose(real_array(fact), given))
    shape = static_shape(node.outputs[0])

    def turned(tensor: Tensor) -> Tensor:
        order = given or list(range(len(tensor.shape)))[::-1]
        kept = [axis for axis in order if tensor.shape[axis] != 1]
        if kept == sorted(kept):
            return view(tensor, node.outputs[0].name or "", shape)
        result = lowering.new(node, tensor.dtype, tensor.params)
        return lowering.program.add("Transpose", node.name or "", [tensor], result, order)

    return moved(lowering, node, turned)


def concat(lowering: Lowering, node: ir.Node) -> Fact:
    """Tensors on grids wait for their result's grid."""
    on_grids = all(lowering.on_grid(value) is not None for value in node.inputs)
    return Pending(node) if on_grids else finish_concat(lowering, node)


def finish_concat(lowering: Lowering, node: ir.Node) -> Fact:
    """On floats."""
    inputs = [lowering.real(value) for value in node.inputs]
    return Real(_joined(lowering, node, inputs, lowering.new(node, inputs[0].dtype)))


def integer_concat(lowering: Lowering, node: ir.Node, target: Target) -> Tensor | None:
    """Each part is brought onto the result's grid first."""
    grids = [lowering.on_grid(value) for value in node.inputs]
    name = node.name or ""
    parts = [requantized(lowering, name, grid, target) for grid in grids if grid is not None]
    return _joined(lowering, node, parts, lowering.new(node, target.params.grid.numpy_dtype, target.params))


def _joined(lowering: Lowering, node: ir.Node, inputs: list[Tensor], result: Tensor) -> Tensor:
    if any(tensor.dtype != result.dtype for tensor in inputs):
        raise Unsupported("of different types")
    axis = integer(node, "axis", 0) % len(result.shape)
    return lowering.program.add("Concat", node.name or "", inputs, result, [axis])


def moved(lowering: Lowering, node: ir.Node, move: Callable[[Tensor], Tensor]) -> Fact:
    """What a mover makes of a tensor, on the grid that the tensor is on."""
    grid = lowering.on_grid(node.inputs[0])
    if grid is None:
        return Real(move(lowering.real(node.inputs[0])))
    return OnGrid(move(grid.tensor), grid.params)
