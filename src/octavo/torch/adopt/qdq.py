"""Normalize QDQ graphs that PyTorch exported to the form of Octavo's own models."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import onnx_ir.passes.common as common

from octavo.affine import GRIDS, QuantParams, bias_scale, pytorch_quantize, quantize_bias
from octavo.graph import prepare
from octavo.graph.attributes import attribute
from octavo.graph.constants import constant, new_constant
from octavo.graph.linear import bias_input
from octavo.graph.passes.fold_constants import FoldConstantsPass
from octavo.graph.passes.infer_shapes import InferShapesPass
from octavo.torch.export.constants import own_constants


def finish(model: ir.Model) -> ir.Model:
    """Return a copy with folded constants, integer weight initializers, and int32 biases.

    A bias that overflows int32 at input scale times weight scale stays in float.

    Args:
        model: QDQ model as PyTorch's exporters write it; its tensors may share memory with the module.
    """
    own_constants(model)
    model = prepare(model)
    for node in list(model.graph):
        if node.op_type == "QuantizeLinear" and constant(node.inputs[0]) is not None:
            _fold_quantize(model.graph, node)
    # Also folds the Clip that the exporter puts after quantized weights.
    FoldConstantsPass()(model)
    for node in list(model.graph):
        if node.op_type == "Transpose":
            _fold_transpose(model.graph, node)
    for node in list(model.graph):
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            _plain_parameters(model.graph, node)
        elif bias_input(node) is not None:
            _quantize_bias(model.graph, node)
    common.RemoveUnusedNodesPass()(model)
    InferShapesPass()(model)
    return model


def _fold_quantize(graph: ir.Graph, node: ir.Node) -> None:
    """Quantize a constant weight with PyTorch's arithmetic, in place of a QuantizeLinear in the graph."""
    array, params = constant(node.inputs[0]), _params(node)
    if array is None or params is None:
        return
    integers = pytorch_quantize(array, params)
    folded = new_constant(graph, f"{node.outputs[0].name}_integers", integers)
    ir.convenience.replace_all_uses_with(node.outputs[0], folded)


def _fold_transpose(graph: ir.Graph, node: ir.Node) -> None:
    """Transpose the integers of a dequantized weight, so that its layer reads a DequantizeLinear directly."""
    source = _dequantizer(node.inputs[0])
    integers = None if source is None else constant(source.inputs[0])
    if source is None or integers is None or "perm" not in node.attributes:
        return
    order = list(node.attributes["perm"].as_ints())
    transposed = new_constant(
        graph, f"{node.outputs[0].name}_integers", np.ascontiguousarray(integers.transpose(order))
    )
    axis = order.index(int(attribute(source, "axis", 1)) % integers.ndim)
    fresh = ir.node(
        "DequantizeLinear", [transposed, *source.inputs[1:]], {"axis": axis}, name=f"{node.name}_dequantize"
    )
    result = fresh.outputs[0]
    result.name, result.shape, result.type = (
        f"{node.outputs[0].name}_turned",
        node.outputs[0].shape,
        source.outputs[0].type,
    )
    graph.insert_before(node, fresh)
    ir.convenience.replace_all_uses_with(node.outputs[0], result)


def _plain_parameters(graph: ir.Graph, node: ir.Node) -> None:
    """Make per-tensor parameters scalars without an axis, and drop the zero point of int32."""
    for index in (1, 2):
        value = node.inputs[index] if len(node.inputs) > index else None
        array = constant(value)
        if value is None or array is None or array.size != 1:
            continue
        node.attributes.pop("axis", None)
        if array.ndim:
            node.replace_input_with(index, new_constant(graph, f"{value.name}_scalar", array.reshape(())))
    data = node.inputs[0]
    if len(node.inputs) > 2 and data is not None and data.dtype == ir.DataType.INT32:
        node.resize_inputs(2)


def _quantize_bias(graph: ir.Graph, node: ir.Node) -> None:
    """Quantize the float bias of a quantized layer to int32 at input scale times weight scale."""
    data, weight = (_dequantizer(value) for value in node.inputs[:2])
    bias, index = constant(node.inputs[2]), 2
    if data is None or weight is None or bias is None or constant(weight.inputs[0]) is None or bias.ndim != 1:
        return
    x, w = _params(data), _params(weight)
    if x is None or w is None or x.axis is not None or bias.size % w.scale.size or bias.dtype != np.float32:
        return
    step = np.tile(np.atleast_1d(bias_scale(x.scale, w.scale)), bias.size // w.scale.size)
    try:
        integers = quantize_bias(bias, np.float32(1), step)
    except OverflowError:
        return
    name = (node.inputs[2].name if node.inputs[2] is not None else None) or f"{node.name}_bias"
    inputs = [new_constant(graph, f"{name}_quantized", integers), new_constant(graph, f"{name}_scale", step)]
    fresh = ir.node("DequantizeLinear", inputs, {"axis": 0}, name=f"{name}_DequantizeLinear")
    result = fresh.outputs[0]
    result.name, result.shape, result.type = (
        f"{name}_dequantized",
        ir.Shape(bias.shape),
        ir.TensorType(ir.DataType.FLOAT),
    )
    graph.insert_before(node, fresh)
    node.replace_input_with(index, result)


def _dequantizer(value: ir.Value | None) -> ir.Node | None:
    producer = None if value is None else value.producer()
    return producer if producer is not None and producer.op_type == "DequantizeLinear" else None


def _params(node: ir.Node) -> QuantParams | None:
    """Parameters of a Q or DQ node; None unless scale and zero point are constants without blocks."""
    scale = constant(node.inputs[1])
    zero_point = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    data = node.inputs[0]
    if scale is None or zero_point is None or data is None or "block_size" in node.attributes:
        return None
    if scale.size == 1:
        scale, zero_point, axis = scale.reshape(()), zero_point.reshape(()), None
    else:
        axis = int(attribute(node, "axis", 1)) % (len(data.shape) if data.shape is not None else 1)
    return QuantParams(GRIDS[str(zero_point.dtype)], scale, zero_point.astype(np.int32), axis)
