"""Fold what scales or shifts each output channel into the layer in front of it.

BatchNormalization, and Mul, Add, Sub and Div by constants, behind Conv, ConvTranspose, Gemm and
MatMul: W' = a W, b' = a b + c for the channel's factor a and shift c (Jacob et al. 2018, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.graph.attributes import attribute
from octavo.graph.constants import constant, new_constant
from octavo.graph.linear import Linear, linear
from octavo.graph.rewrite import absorb, sole_reader

Doubles = NDArray[np.float64]

_ARITHMETIC = {"Mul", "Add", "Sub", "Div"}


@dataclass
class _Affine:
    """y * factor + shift, each of shape (channels,)."""

    factor: Doubles
    shift: Doubles


class FoldChannelsPass(ir.passes.InPlacePass):
    """Fold BatchNormalization and arithmetic with constants into the layers that feed them."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass."""
        modified = False
        for node in list(model.graph):
            if node.op_type not in _ARITHMETIC | {"BatchNormalization"} or node.domain:
                continue
            layer = _layer_in_front(node)
            affine = None if layer is None else _affine_of(node, layer)
            if layer is not None and affine is not None:
                modified |= _fold(model.graph, layer, node, affine)
        return ir.passes.PassResult(model, modified)


def _layer_in_front(node: ir.Node) -> Linear | None:
    """The layer that only `node` reads, with a constant bias or none."""
    for value in node.inputs[:2]:
        producer = value.producer() if value is not None else None
        layer = linear(producer)
        if value is None or producer is None or layer is None or producer.graph is not node.graph:
            continue
        if sole_reader(value) is node and layer.has_known_bias and not layer.is_scaled:
            return layer
    return None


def _affine_of(node: ir.Node, layer: Linear) -> _Affine | None:
    """What the node does to each output channel of the layer; None if it is not the same within a channel."""
    if node.op_type == "BatchNormalization":
        return _affine_of_batch_norm(node, layer)
    first, second = node.inputs[0], node.inputs[1]
    if node.op_type in ("Sub", "Div") and constant(second) is None:
        return None
    number = constant(second) if constant(second) is not None else constant(first)
    vector = None if number is None else _per_channel(np.asarray(number, np.float64), layer)
    if vector is None or (node.op_type in ("Add", "Sub") and not layer.takes_bias):
        return None
    ones, zeros = np.ones(layer.outputs), np.zeros(layer.outputs)
    match node.op_type:
        case "Mul":
            return _Affine(vector, zeros)
        case "Div":
            return _Affine(1.0 / vector, zeros) if bool(np.all(vector != 0)) else None
        case "Add":
            return _Affine(ones, vector)
    return _Affine(ones, -vector)


def _affine_of_batch_norm(node: ir.Node, layer: Linear) -> _Affine | None:
    arrays = [constant(value) for value in node.inputs[1:5]]
    used = [value for value in node.outputs[1:] if value.uses() or value.is_graph_output()]
    if any(array is None for array in arrays) or used or attribute(node, "training_mode", 0):
        return None
    if not layer.takes_bias:
        return None
    gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in arrays)
    factor = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
    return _Affine(factor, beta - mean * factor)


def _per_channel(number: Doubles, layer: Linear) -> Doubles | None:
    """The constant as one number per channel, or None if it varies along another axis of the output."""
    rank = _least_rank(layer)
    if number.ndim > rank:
        return None
    shape = (1,) * (rank - number.ndim) + number.shape
    axis = layer.channel_axis % rank
    if any(dim != 1 for i, dim in enumerate(shape) if i != axis) or shape[axis] not in (1, layer.outputs):
        return None
    return np.broadcast_to(number.reshape(-1), (layer.outputs,)).astype(np.float64)


def _least_rank(layer: Linear) -> int:
    """The rank of the layer's output; for MatMul at most 2, and 1 if the rank of its first input is unknown."""
    data = layer.node.inputs[0]
    if layer.node.op_type == "MatMul":
        return 1 if data is None or data.shape is None else min(len(data.shape), 2)
    return layer.stored.ndim


def _fold(graph: ir.Graph, layer: Linear, node: ir.Node, affine: _Affine) -> bool:
    before = np.zeros(layer.outputs) if layer.bias is None else layer.bias.astype(np.float64)
    bias = affine.factor * before + affine.shift
    if not absorb(node, layer.node.outputs[0]):
        return False
    if not bool(np.all(affine.factor == 1.0)):
        scaled = layer.from_common(layer.scaled(by_output=affine.factor)).astype(np.float32)
        layer.node.replace_input_with(1, new_constant(graph, f"{layer.weights_name}_folded", scaled))
    if layer.bias is not None or bool(np.any(bias != 0.0)):
        value = new_constant(graph, f"{layer.node.name}_bias", bias.astype(np.float32))
        if len(layer.node.inputs) < 3:
            layer.node.resize_inputs(3)
        layer.node.replace_input_with(2, value)
    return True
