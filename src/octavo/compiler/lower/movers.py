"""Operators that move numbers and compute nothing: integers stay on their grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from octavo.affine import QuantParams
from octavo.compiler.lower.attributes import integer, integers
from octavo.compiler.lower.facts import Fact, Known, OnGrid, Pending, Real, Unsupported
from octavo.compiler.lower.grids import requantized
from octavo.compiler.lower.layout import channels_first, own_axis
from octavo.compiler.lower.lowering import Lowering, real_array, static_shape
from octavo.compiler.lower.target import Target
from octavo.compiler.program import Tensor, view


def reshape(lowering: Lowering, node: ir.Node) -> Fact:
    """The same buffer in another shape."""
    if node.op_type in ("Identity", "Dropout", "Cast"):
        return _same(lowering, node)
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
        order = [own_axis(axis, tensor) for axis in given or list(range(len(tensor.shape)))[::-1]]
        if not tensor.channels_last and channels_first(order):
            # What lies channels last already is called an image, and moved only if something asks.
            return replace(view(tensor, node.outputs[0].name or "", tensor.shape), channels_last=True)
        kept = [axis for axis in order if tensor.shape[axis] != 1]
        if kept == sorted(kept):
            return view(tensor, node.outputs[0].name or "", shape)
        result = lowering.new(node, tensor.dtype, tensor.params)
        return lowering.program.add("Transpose", node.name or "", [tensor], result, order)

    return moved_as_it_lies(lowering, node, turned)


def concat(lowering: Lowering, node: ir.Node) -> Fact:
    """Tensors on grids wait for their result's grid."""
    on_grids = all(lowering.on_grid_as_it_lies(value) is not None for value in node.inputs)
    return Pending(node) if on_grids else finish_concat(lowering, node)


def finish_concat(lowering: Lowering, node: ir.Node) -> Fact:
    """On floats."""
    return Real(_joined(lowering, node, [lowering.real_as_it_lies(value) for value in node.inputs], None))


def integer_concat(lowering: Lowering, node: ir.Node, target: Target) -> Tensor | None:
    """Each part is brought onto the result's grid first."""
    grids = [lowering.on_grid_as_it_lies(value) for value in node.inputs]
    name = node.name or ""
    parts = [requantized(lowering, name, grid, target) for grid in grids if grid is not None]
    return _joined(lowering, node, parts, target.params)


def _joined(lowering: Lowering, node: ir.Node, inputs: list[Tensor], params: QuantParams | None) -> Tensor:
    last = any(tensor.channels_last for tensor in inputs)
    turn = lowering.layouts.channels_last if last else lowering.layouts.channels_first
    inputs = [turn(tensor) for tensor in inputs]
    result = lowering.new(node, inputs[0].dtype, params, channels_last=last)
    if any(tensor.dtype != result.dtype for tensor in inputs):
        raise Unsupported("of different types")
    axis = own_axis(integer(node, "axis", 0) % len(result.shape), result)
    return lowering.program.add("Concat", node.name or "", inputs, result, [axis])


def moved(lowering: Lowering, node: ir.Node, move: Callable[[Tensor], Tensor]) -> Fact:
    """What a mover makes of a tensor with ONNX's axes, on the grid that the tensor is on."""
    return moved_as_it_lies(lowering, node, lambda tensor: move(lowering.layouts.channels_first(tensor)))


def moved_as_it_lies(lowering: Lowering, node: ir.Node, move: Callable[[Tensor], Tensor]) -> Fact:
    """The same for a mover that takes either layout."""
    grid = lowering.on_grid_as_it_lies(node.inputs[0])
    if grid is None:
        return Real(move(lowering.real_as_it_lies(node.inputs[0])))
    return OnGrid(move(grid.tensor), grid.params)


def _same(lowering: Lowering, node: ir.Node) -> Fact:
    fact = lowering.fact(node.inputs[0])
    if isinstance(fact, Known):
        return Known(real_array(fact))
    return moved_as_it_lies(lowering, node, lambda tensor: replace(tensor, name=node.outputs[0].name or ""))
