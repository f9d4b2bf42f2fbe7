"""Layer normalization and softmax, computed in float."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from octavo.compiler.lower.layout import outer_length_inner
from octavo.compiler.lower.lowering import Lowering, OpLowering, check_dtype
from octavo.compiler.lower.onnx_attributes import integer, number
from octavo.compiler.lower.target import bounds_of
from octavo.compiler.lower.values import LoweredValue, Plain, Unsupported
from octavo.compiler.program import Tensor, constant_tensor, view


def layer_norm(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Over the last axes, flattened to one row."""
    if any(output.name and output.uses() for output in node.outputs[1:]):
        raise Unsupported("with mean or deviation outputs")
    source = lowering.tensor(node.inputs[0])
    check_dtype(source, np.float32)
    shape, name = source.shape, node.name or ""
    axis = integer(node, "axis", -1) % len(shape)
    width = prod(shape[axis:])
    rows = [_row(lowering, node, i, width) for i in (1, 2) if lowering.optional_input(node, i) is not None]
    result = lowering.new_output(node)
    flat = (*shape[:axis], width)
    epsilon = number(node, "epsilon", 1e-5)
    attributes = {"epsilon": epsilon, "has_shift": len(rows) == 2, "has_bias": False, "has_skip": False}
    inputs = [view(source, source.name, flat), *rows]
    lowering.program.add("LayerNorm", name, inputs, view(result, result.name, flat), {**attributes, **bounds_of(None)})
    return Plain(result)


def softmax(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Along one axis; before opset 13, over all axes from that one on."""
    source = lowering.tensor(node.inputs[0])
    check_dtype(source, np.float32)
    flattens, shape = lowering.opset < 13, source.shape
    axis = integer(node, "axis", 1 if flattens else -1) % len(shape)
    end = len(shape) if flattens else axis + 1
    attributes = {**outer_length_inner(shape, axis, end), **bounds_of(None)}
    result = lowering.new_output(node)
    return Plain(lowering.program.add("SoftmaxFloat", node.name or "", [source], result, attributes))


def _row(lowering: Lowering, node: ir.Node, index: int, width: int) -> Tensor:
    """Scale (input 1) or shift (input 2) as a vector."""
    array = lowering.constant_input(node, index, "scales or shifts").floats
    if array.size != width:
        raise Unsupported("with scales or shifts of another size than its rows")
    return constant_tensor(f"{node.name}_{('scale', 'shift')[index - 1]}", array.reshape(-1))


LOWERINGS = {"LayerNormalization": OpLowering(layer_norm), "Softmax": OpLowering(softmax)}
