"""Concat: integers if all inputs are quantized, else floats."""

from __future__ import annotations

import onnx_ir as ir

from octavo.affine import QuantParams
from octavo.compiler.lower.layout import own_axis
from octavo.compiler.lower.lookup_table import requantized
from octavo.compiler.lower.lowering import Lowering, OpLowering
from octavo.compiler.lower.onnx_attributes import integer
from octavo.compiler.lower.target import Target
from octavo.compiler.lower.values import Deferred, LoweredValue, Plain, Unsupported
from octavo.compiler.program import Tensor


def lower(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Deferred if all inputs are quantized."""
    quantized = all(lowering.quantized_any_layout(value) is not None for value in node.inputs)
    return Deferred(node) if quantized else to_float(lowering, node)


def to_float(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Concatenate floats."""
    return Plain(_concatenated(lowering, node, [lowering.tensor_any_layout(value) for value in node.inputs], None))


def to_grid(lowering: Lowering, node: ir.Node, target: Target) -> Tensor | None:
    """Requantize every input to the output grid, then concatenate."""
    inputs = [lowering.quantized_any_layout(value) for value in node.inputs]
    name = node.name or ""
    parts = [requantized(lowering, name, value, target) for value in inputs if value is not None]
    return _concatenated(lowering, node, parts, target.params)


def _concatenated(lowering: Lowering, node: ir.Node, inputs: list[Tensor], params: QuantParams | None) -> Tensor:
    channels_last = any(tensor.channels_last for tensor in inputs)
    to_layout = lowering.layouts.channels_last if channels_last else lowering.layouts.channels_first
    inputs = [to_layout(tensor) for tensor in inputs]
    result = lowering.new_output(node, inputs[0].dtype, params, channels_last=channels_last)
    if any(tensor.dtype != result.dtype for tensor in inputs):
        raise Unsupported("of different dtypes")
    axis = own_axis(integer(node, "axis", 0) % len(result.shape), result)
    return lowering.program.add("Concat", node.name or "", inputs, result, {"axis": axis})


LOWERINGS = {"Concat": OpLowering(lower, to_grid, to_float)}
