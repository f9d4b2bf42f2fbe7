"""Data movement: operators that move elements and compute nothing, so that quantized inputs keep their parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from octavo.compiler.lower.lowering import Lowering
from octavo.compiler.lower.onnx_attributes import integers
from octavo.compiler.lower.values import Constant, LoweredValue, Plain, Quantized
from octavo.compiler.program import Tensor, view


def move(lowering: Lowering, node: ir.Node, apply: Callable[[Tensor], Tensor]) -> LoweredValue:
    """Apply a data movement to the first input in ONNX's axis order."""
    return move_any_layout(lowering, node, lambda tensor: apply(lowering.layouts.channels_first(tensor)))


def move_any_layout(lowering: Lowering, node: ir.Node, apply: Callable[[Tensor], Tensor]) -> LoweredValue:
    """Same as `move`, for a movement that accepts either layout."""
    quantized = lowering.quantized_any_layout(node.inputs[0])
    if quantized is None:
        return Plain(apply(lowering.tensor_any_layout(node.inputs[0])))
    return Quantized(apply(quantized.tensor), quantized.params)


def identity(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """The input under the output's name, in the same buffer."""
    lowered = lowering.lowered(node.inputs[0])
    if isinstance(lowered, Constant):
        return Constant(lowered.values)
    return move_any_layout(lowering, node, lambda tensor: replace(tensor, name=node.outputs[0].name or ""))


def expanded(lowering: Lowering, node: ir.Node, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The tensor broadcast to `shape`; a view if the element count stays the same."""
    if int(np.prod(shape)) == tensor.count:
        return view(tensor, node.outputs[0].name or "", shape)
    result = lowering.new_output(node, tensor.dtype, tensor.params)
    return lowering.program.add("Expand", node.name or "", [tensor], result)


def input_or_attribute(lowering: Lowering, node: ir.Node, index: int, name: str) -> list[int] | None:
    """Integers of a constant input or, before opset 10 or 11, of an attribute; None if absent."""
    if lowering.optional_input(node, index) is None:
        return integers(node, name)
    return [int(value) for value in lowering.constant_input(node, index, name).array.reshape(-1)]
