"""Bounds of a tensor that follow from the graph and its constants alone."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.graph.constants import constant
from octavo.graph.linear import bias_input, is_linear

Bounds = tuple[float, float]

# The image of the function; Cast is added where it reads booleans.
_IMAGES: dict[str, Bounds] = {
    "Sigmoid": (0.0, 1.0),
    "HardSigmoid": (0.0, 1.0),
    "Softmax": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "Softsign": (-1.0, 1.0),
    "Sin": (-1.0, 1.0),
    "Cos": (-1.0, 1.0),
}
# Operators whose outputs are values of their first input, or means of such values.
_KEEPS = {
    "AveragePool",
    "DepthToSpace",
    "Expand",
    "Flatten",
    "Gather",
    "GlobalAveragePool",
    "Identity",
    "MaxPool",
    "Relu",
    "Reshape",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
}


def proven_bounds(value: ir.Value) -> Bounds | None:
    """Smallest and largest value that the tensor can take, for any input; None if the graph does not show it.

    Known are functions with a bounded image (Sigmoid, Softmax, Tanh, Clip with constant bounds, Cast from booleans),
    layers whose weights are all zero, constants, and data movers behind any of these.
    """
    rectified = False
    while (node := value.producer()) is not None and node.op_type in _KEEPS and node.domain in ("", "ai.onnx"):
        source = node.inputs[0]
        if source is None:
            return None
        rectified |= node.op_type == "Relu"
        value = source
    bounds = _of_array(constant(value)) if node is None else _of_node(node)
    if bounds is None or not rectified:
        return bounds
    return max(0.0, bounds[0]), max(0.0, bounds[1])


def _of_node(node: ir.Node) -> Bounds | None:
    if node.domain not in ("", "ai.onnx"):
        return None
    if node.op_type == "Clip":
        ends = [array.item() for value in node.inputs[1:3] if (array := constant(value)) is not None]
        return (float(ends[0]), float(ends[1])) if len(ends) == 2 else None
    if node.op_type == "Cast":
        source = node.inputs[0]
        return (0.0, 1.0) if source is not None and source.dtype == ir.DataType.BOOL else None
    if is_linear(node):
        return _of_dead_layer(node)
    return _IMAGES.get(node.op_type)


def _of_dead_layer(node: ir.Node) -> Bounds | None:
    """The bounds of the bias if all weights are zero."""
    if not any(array is not None and not array.any() for array in map(constant, node.inputs[:2])):
        return None
    index = bias_input(node)
    return (0.0, 0.0) if index is None else _of_array(constant(node.inputs[index]))


def _of_array(array: np.ndarray | None) -> Bounds | None:
    if array is None or not array.size or not bool(np.isfinite(array).all()):
        return None
    return float(array.min()), float(array.max())
