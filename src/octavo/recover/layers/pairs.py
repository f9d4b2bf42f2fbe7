"""Pairs of linear layers with only positively homogeneous operators between them."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from octavo.graph.constants import constant
from octavo.graph.linear import Linear
from octavo.graph.rewrite import sole_reader
from octavo.recover.layers.channels import scalable

_ELEMENTWISE = {"Relu", "LeakyRelu", "PRelu", "Identity", "Clip"}
_SPATIAL = {"MaxPool", "AveragePool", "GlobalAveragePool", "Pad"}
_FLAT = {"Flatten", "Reshape", "Squeeze"}


@dataclass(frozen=True)
class Pair:
    """Layer `first`, then the chain of operators `between`, then layer `second`; each tensor has one reader."""

    first: Linear
    between: tuple[ir.Node, ...]
    second: Linear

    @property
    def clip(self) -> ir.Node | None:
        """The Clip between the layers; None without one."""
        return next((node for node in self.between if node.op_type == "Clip"), None)


def pairs(model: ir.Model) -> list[Pair]:
    """All pairs, in graph order: every operator f between them has f(g x) = g f(x) for g > 0, per channel."""
    candidates = (_pair(scalable(node)) for node in model.graph)
    return [pair for pair in candidates if pair is not None]


def upper_bound(clip: ir.Node) -> float | None:
    """The bound b of a Clip to [0, b], b > 0; None for other Clips."""
    low, high = (constant(clip.inputs[i]) if len(clip.inputs) > i else None for i in (1, 2))
    if low is None or high is None or float(low) != 0.0 or float(high) <= 0.0:
        return None
    return float(high)


def _pair(first: Linear | None) -> Pair | None:
    if first is None:
        return None
    between: list[ir.Node] = []
    spatial = first.is_convolution
    value = first.node.outputs[0]
    while True:
        node = sole_reader(value)
        if node is None or node.domain or node.graph is not first.node.graph or node.inputs[0] is not value:
            return None
        second = scalable(node)
        if second is not None:
            fits = second.inputs == first.outputs and spatial == second.is_convolution
            return Pair(first, tuple(between), second) if fits else None
        if not _scales(node, spatial) or (node.op_type == "Clip" and any(n.op_type == "Clip" for n in between)):
            return None
        spatial = spatial and node.op_type not in _FLAT
        between.append(node)
        value = node.outputs[0]


def _scales(node: ir.Node, spatial: bool) -> bool:
    match node.op_type:
        case "PRelu":
            return constant(node.inputs[1]) is not None
        case "Clip":
            return upper_bound(node) is not None
        case "Pad":
            return spatial and _pads_zeros(node)
        case op if op in _FLAT:
            return spatial and _drops_ones(node)
    return node.op_type in _ELEMENTWISE or (spatial and node.op_type in _SPATIAL)


def _pads_zeros(node: ir.Node) -> bool:
    mode, pads = node.attributes.get("mode"), constant(node.inputs[1])
    fill = node.inputs[2] if len(node.inputs) > 2 else None
    number = constant(fill)
    if (mode is not None and mode.as_string() != "constant") or pads is None or len(node.inputs) > 3:
        return False
    channel = pads[1] == 0 and pads[pads.size // 2 + 1] == 0
    return bool(channel) and (fill is None or (number is not None and float(number.reshape(-1)[0]) == 0.0))


def _drops_ones(node: ir.Node) -> bool:
    """Whether [N, C, 1, 1] becomes [N, C]."""
    value, output = node.inputs[0], node.outputs[0]
    if value is None or value.shape is None or output.shape is None or len(output.shape) != 2:
        return False
    ones = all(dim == 1 for dim in value.shape[2:])
    return ones and isinstance(value.shape[1], int) and output.shape[1] == value.shape[1]
