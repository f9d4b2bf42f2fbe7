"""Scale the channels of layers: a factor on an output channel is taken back by what reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.graph.attributes import attribute
from octavo.graph.constants import constant, new_constant
from octavo.graph.linear import bias_input
from octavo.graph.operators import is_float32

Doubles = NDArray[np.float64]

_LEAST, _MOST = 1e-4, 1e4


@dataclass(frozen=True)
class Linear:
    """A Conv, ConvTranspose, Gemm or MatMul with constant weights.

    `weights` are of shape (groups, outputs a group, inputs a group, kernel), float64, whatever the operator.
    """

    node: ir.Node
    weights: Doubles

    @property
    def inputs(self) -> int:
        """How many input channels there are."""
        return int(self.weights.shape[0] * self.weights.shape[2])

    @property
    def outputs(self) -> int:
        """How many output channels there are."""
        return int(self.weights.shape[0] * self.weights.shape[1])

    @property
    def bias(self) -> Doubles | None:
        """The bias, shape (outputs,); None where there is none."""
        index = bias_input(self.node)
        found = None if index is None else constant(self.node.inputs[index])
        return None if found is None else np.broadcast_to(found.reshape(-1), (self.outputs,)).astype(np.float64)

    def scaled(self, by_input: Doubles, by_output: Doubles) -> Doubles:
        """The weights with factors on input channels (inputs,) and on output channels (outputs,)."""
        groups = self.weights.shape[0]
        return self.weights * by_input.reshape(groups, 1, -1, 1) * by_output.reshape(groups, -1, 1, 1)

    def stored(self, weights: Doubles) -> NDArray[np.float32]:
        """Weights of the common shape in the operator's own layout."""
        own = constant(self.node.inputs[1])
        assert own is not None
        if self.node.op_type == "ConvTranspose":
            weights = weights.transpose(0, 2, 1, 3)
        elif not _is_conv(self.node):
            weights = weights[0, :, :, 0] if _is_transposed(self.node) else weights[0, :, :, 0].T
        return np.ascontiguousarray(weights.reshape(own.shape), np.float32)

    def common(self, array: NDArray[Any]) -> Doubles:
        """The inverse of `stored`."""
        groups = int(attribute(self.node, "group", 1)) if _is_conv(self.node) else 1
        array = array.astype(np.float64)
        if self.node.op_type == "Conv":
            return array.reshape(groups, array.shape[0] // groups, array.shape[1], -1)
        if self.node.op_type == "ConvTranspose":
            split = array.reshape(groups, array.shape[0] // groups, array.shape[1], -1)
            return split.transpose(0, 2, 1, 3)
        return (array if _is_transposed(self.node) else array.T)[None, :, :, None]


@dataclass(frozen=True)
class Edit:
    """An input of a node that gets another constant."""

    node: ir.Node
    index: int
    array: NDArray[Any]


def linear(node: ir.Node | None) -> Linear | None:
    """The node as a layer whose channels can be scaled, or None."""
    if node is None or node.domain or node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return None
    weights, data = constant(node.inputs[1]), node.inputs[0]
    if weights is None or not is_float32(node.inputs[1]) or data is None or data.is_initializer():
        return None
    if not _is_conv(node) and weights.ndim != 2:
        return None
    if attribute(node, "transA", 0) or attribute(node, "alpha", 1.0) != 1.0 or attribute(node, "beta", 1.0) != 1.0:
        return None
    found = Linear(node, Linear(node, np.zeros((0, 0, 0, 0))).common(weights))
    return found if _bias_fits(found) else None


def edits(layer: Linear, by_input: Doubles, by_output: Doubles) -> list[Edit]:
    """The layer's constants with factors on its input channels and on its output channels."""
    found = [Edit(layer.node, 1, layer.stored(layer.scaled(by_input, by_output)))]
    if layer.bias is not None:
        found.append(Edit(layer.node, 2, (layer.bias * by_output).astype(np.float32)))
    return found


def rewrite(model: ir.Model, changes: Sequence[Edit], suffix: str) -> None:
    """Give nodes their new constants, each its own; other readers of the old ones keep them."""
    for change in changes:
        node = change.node
        if len(node.inputs) <= change.index:
            node.resize_inputs(change.index + 1)
        old = node.inputs[change.index]
        name = f"{node.name}_bias" if old is None else old.name
        node.replace_input_with(change.index, new_constant(model.graph, f"{name}_{suffix}", change.array))
        if old is not None and old.name and not old.uses() and not old.is_graph_output():
            model.graph.initializers.pop(old.name, None)


def balanced(activations: Doubles, weights: Doubles, alpha: float) -> Doubles:
    """w^(1 - alpha) / a^alpha for each channel, with geometric mean 1; 1 for channels without any number.

    What the factor multiplies activations by, it takes from weights: 1/s of SmoothQuant (Xiao et al. 2023, eq. 4).
    """
    return normalized(weights, activations, lambda w, a: (1 - alpha) * w - alpha * a)


def normalized(one: Doubles, two: Doubles, rule: Any) -> Doubles:
    """exp(rule(log one, log two)) where both are positive, with geometric mean 1, within [1e-4, 1e4]; else 1."""
    live = (one > 0) & (two > 0)
    factor = np.ones(one.shape)
    if live.any():
        logs = rule(np.log(one[live]), np.log(two[live]))
        factor[live] = np.clip(np.exp(logs - logs.mean()), _LEAST, _MOST)
    return factor


def _is_conv(node: ir.Node) -> bool:
    return node.op_type in ("Conv", "ConvTranspose")


def _is_transposed(node: ir.Node) -> bool:
    return node.op_type == "Gemm" and bool(attribute(node, "transB", 0))


def _bias_fits(layer: Linear) -> bool:
    index = bias_input(layer.node)
    if index is None:
        return True
    bias = constant(layer.node.inputs[index])
    return bias is not None and bias.size in (1, layer.outputs) and (bias.ndim < 2 or bias.shape[-1] == bias.size)
