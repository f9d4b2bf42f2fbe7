"""Layer normalization and softmax: floats inside."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from octavo.compiler.lower.attributes import integer, number
from octavo.compiler.lower.facts import Fact, Real, Unsupported
from octavo.compiler.lower.lowering import Lowering, real_array
from octavo.compiler.program import Tensor, constant_tensor, float_bits, view


def layer_norm(lowering: Lowering, node: ir.Node) -> Fact:
    """Over the last axes, which are one row to the kernel."""
    if any(output.name and output.uses() for output in node.outputs[1:]):
        raise Unsupported("that gives its mean or deviation")
    source = lowering.real(node.inputs[0])
    if source.dtype != np.float32:
        raise Unsupported(f"of {source.dtype}")
    shape, name = source.shape, node.name or ""
    axis = integer(node, "axis", -1) % len(shape)
    size = prod(shape[axis:])
    vectors = [_row(lowering, node, index, size) for index in (1, 2) if lowering.given(node, index) is not None]
    result = lowering.new(node)
    rows = (*shape[:axis], size)
    attributes = [float_bits(number(node, "epsilon", 1e-5)), len(vectors) - 1, 0, 0, 0, 0]
    inputs = [view(source, source.name, rows), *vectors]
    lowering.program.add("LayerNorm", name, inputs, view(result, result.name, rows), attributes)
    return Real(result)


def softmax(lowering: Lowering, node: ir.Node) -> Fact:
    """Along one axis; before opset 13, along all from that axis on."""
    source = lowering.real(node.inputs[0])
    if source.dtype != np.float32:
        raise Unsupported(f"of {source.dtype}")
    old, shape = lowering.opset < 13, source.shape
    axis = integer(node, "axis", 1 if old else -1) % len(shape)
    end = len(shape) if old else axis + 1
    attributes = [prod(shape[:axis]), prod(shape[axis:end]), prod(shape[end:]), 0, 0]
    return Real(lowering.program.add("SoftmaxFloat", node.name or "", [source], lowering.new(node), attributes))


def _row(lowering: Lowering, node: ir.Node, index: int, size: int) -> Tensor:
    array = real_array(lowering.constant(node, index, "scales or shifts")).astype(np.float32)
    if array.size != size:
        raise Unsupported("whose scales are not one for each number of a row")
    return constant_tensor(f"{node.name}_{('scale', 'shift')[index - 1]}", array.reshape(-1))
