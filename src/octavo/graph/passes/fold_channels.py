"""Fold what scales or shifts each output channel into the layer in front of it.

BatchNormalization, and Mul, Add, Sub and Div by constants, behind Conv, ConvTranspose, Gemm and
MatMul: W' = a W, b' = a b + c for the channel's factor a and shift c (Jacob et al. 2018, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.graph.constants import constant, new_constant
from octavo.graph.operators import attribute, bias_input
from octavo.graph.rewrite import absorb, sole_reader

Doubles = NDArray[np.float64]

_LAYERS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
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


def _layer_in_front(node: ir.Node) -> ir.Node | None:
    """The layer whose only reader is `node`, with weights and bias that are constants."""
    for value in node.inputs[:2]:
        layer = value.producer() if value is not None else None
        if layer is None or layer.op_type not in _LAYERS or layer.graph is not node.graph or value is None:
            continue
        bias = bias_input(layer)
        known = constant(layer.inputs[1]) is not None and (bias is None or constant(layer.inputs[bias]) is not None)
        floats = layer.inputs[1] is not None and layer.inputs[1].dtype == ir.DataType.FLOAT
        if known and floats and sole_reader(value) is node and not _is_scaled_gemm(layer):
            return layer
    return None


def _is_scaled_gemm(layer: ir.Node) -> bool:
    return layer.op_type == "Gemm" and (attribute(layer, "alpha", 1.0) != 1.0 or attribute(layer, "beta", 1.0) != 1.0)


def _affine_of(node: ir.Node, layer: ir.Node) -> _Affine | None:
    channels = _channels(layer)
    if channels is None:
        return None
    if node.op_type == "BatchNormalization":
        return _affine_of_batch_norm(node, layer)
    first, second = node.inputs[0], node.inputs[1]
    if node.op_type in ("Sub", "Div") and constant(second) is None:
        return None
    number = constant(second) if constant(second) is not None else constant(first)
    vector = None if number is None else _per_channel(np.asarray(number, np.float64), layer, channels)
    if vector is None or (layer.op_type == "MatMul" and node.op_type in ("Add", "Sub")):
        return None
    ones, zeros = np.ones(channels), np.zeros(channels)
    match node.op_type:
        case "Mul":
            return _Affine(vector, zeros)
        case "Div":
            return _Affine(1.0 / vector, zeros) if bool(np.all(vector != 0)) else None
        case "Add":
            return _Affine(ones, vector)
    return _Affine(ones, -vector)


def _affine_of_batch_norm(node: ir.Node, layer: ir.Node) -> _Affine | None:
    arrays = [constant(value) for value in node.inputs[1:5]]
    used = [value for value in node.outputs[1:] if value.uses() or value.is_graph_output()]
    if any(array is None for array in arrays) or used or attribute(node, "training_mode", 0):
        return None
    if layer.op_type == "MatMul":
        return None
    gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in arrays)
    factor = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
    return _Affine(factor, beta - mean * factor)


def _channels(layer: ir.Node) -> int | None:
    weight = layer.inputs[1]
    if weight is None or weight.shape is None:
        return None
    shape = [int(dim) for dim in weight.shape.numpy()]
    match layer.op_type:
        case "Conv":
            return shape[0]
        case "ConvTranspose":
            return shape[1] * int(attribute(layer, "group", 1))
        case "Gemm":
            return shape[0] if attribute(layer, "transB", 0) else shape[1]
    return shape[1] if len(shape) == 2 else None


def _per_channel(number: Doubles, layer: ir.Node, channels: int) -> Doubles | None:
    """The constant as one number a channel, or None when it varies along another axis of the output."""
    rank = _least_rank(layer)
    if number.ndim > rank:
        return None
    shape = (1,) * (rank - number.ndim) + number.shape
    axis = 1 if layer.op_type in ("Conv", "ConvTranspose") else rank - 1
    if any(dim != 1 for i, dim in enumerate(shape) if i != axis) or shape[axis] not in (1, channels):
        return None
    return np.broadcast_to(number.reshape(-1), (channels,)).astype(np.float64)


def _least_rank(layer: ir.Node) -> int:
    """The rank of the layer's output; for MatMul at most 2, and 1 where its first input's is not known."""
    data, weight = layer.inputs[0], layer.inputs[1]
    match layer.op_type:
        case "Gemm":
            return 2
        case "MatMul":
            return 1 if data is None or data.shape is None else min(len(data.shape), 2)
    assert weight is not None
    assert weight.shape is not None
    return len(weight.shape)


def _fold(graph: ir.Graph, layer: ir.Node, node: ir.Node, affine: _Affine) -> bool:
    bias_index = bias_input(layer)
    old = None if bias_index is None else constant(layer.inputs[2])
    channels = affine.factor.size
    before = np.zeros(channels) if old is None else np.asarray(old, np.float64)
    if before.size not in (1, channels) or (before.ndim > 1 and before.shape[-1] != before.size):
        return False
    bias = affine.factor * np.broadcast_to(before.reshape(-1), (channels,)) + affine.shift
    result = layer.outputs[0]
    if not absorb(node, result):
        return False
    if not bool(np.all(affine.factor == 1.0)):
        weight = layer.inputs[1]
        array = constant(weight)
        assert weight is not None
        assert array is not None
        scaled = np.asarray(array, np.float64) * _along_channels(affine.factor, layer, array.shape)
        layer.replace_input_with(1, new_constant(graph, f"{weight.name}_folded", scaled.astype(np.float32)))
    if bias_index is not None or bool(np.any(bias != 0.0)):
        value = new_constant(graph, f"{layer.name}_bias", bias.astype(np.float32))
        if len(layer.inputs) < 3:
            layer.resize_inputs(3)
        layer.replace_input_with(2, value)
    return True


def _along_channels(factor: Doubles, layer: ir.Node, shape: tuple[int, ...]) -> Doubles:
    """The factors in a shape that broadcasts against the weights."""
    match layer.op_type:
        case "Conv":
            return factor.reshape(-1, *(1,) * (len(shape) - 1))
        case "ConvTranspose":
            groups = int(attribute(layer, "group", 1))
            spread = np.repeat(factor.reshape(groups, -1), shape[0] // groups, axis=0)
            return spread.reshape(*shape[:2], *(1,) * (len(shape) - 2))
        case "Gemm" if attribute(layer, "transB", 0):
            return factor.reshape(-1, 1)
    return factor
