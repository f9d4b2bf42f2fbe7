"""Scale the channels of layers: a factor on an output channel is taken back by what reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.graph.constants import new_constant
from octavo.graph.linear import Linear, linear

Doubles = NDArray[np.float64]

_LEAST, _MOST = 1e-4, 1e4


@dataclass(frozen=True)
class Edit:
    """An input of a node that gets another constant."""

    node: ir.Node
    index: int
    array: NDArray[Any]


def scalable(node: ir.Node | None) -> Linear | None:
    """The node as a linear layer whose channels can be scaled in its constants; None if they cannot."""
    layer = linear(node)
    if layer is None or layer.is_scaled or layer.transposes_data or not layer.has_known_bias:
        return None
    return layer


def edits(layer: Linear, by_input: Doubles, by_output: Doubles) -> list[Edit]:
    """The layer's constants with factors on its input channels and on its output channels."""
    found = [Edit(layer.node, 1, layer.from_common(layer.scaled(by_input, by_output)).astype(np.float32))]
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
