"""Scale the channels of linear layers by rewriting their constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.graph.constants import new_constant
from octavo.graph.linear import Linear, linear

Doubles = NDArray[np.float64]

_SMALLEST_FACTOR, _LARGEST_FACTOR = 1e-4, 1e4


@dataclass(frozen=True)
class Edit:
    """A constant that replaces an input of a node."""

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
    """The layer's weights and bias with factors on its input channels (inputs,) and output channels (outputs,)."""
    changes = [Edit(layer.node, 1, layer.from_common(layer.scaled(by_input, by_output)).astype(np.float32))]
    if layer.bias is not None:
        changes.append(Edit(layer.node, 2, (layer.bias * by_output).astype(np.float32)))
    return changes


def rewrite(model: ir.Model, changes: Sequence[Edit], suffix: str) -> None:
    """Replace constants; every edit gets a new initializer; other readers of the old one keep it.

    Args:
        model: the model of the edited nodes, changed in place.
        changes: the edits.
        suffix: ends the names of the new initializers.
    """
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
    """Factors w^(1 - alpha) / a^alpha per channel, with geometric mean 1; 1 for channels of zeros.

    A channel that no weight reads is scaled down to the largest of the others, so that it does not set their range.

    Activations are multiplied by the factor and weights divided by it: 1/s of SmoothQuant (Xiao et al. 2023, eq. 4).

    Args:
        activations: a, the largest magnitude of each channel of the activation, (channels,).
        weights: w, the largest magnitude of the weights that read it, (channels,).
        alpha: how much of the range moves from activations to weights, from 0 to 1.
    """
    factor = normalized(weights, activations, lambda w, a: (1 - alpha) * w - alpha * a)
    read, unread = weights > 0, (weights == 0) & (activations > 0)
    if read.any() and unread.any():
        largest = (activations * factor)[read].max()
        factor[unread] = np.clip(largest / activations[unread], _SMALLEST_FACTOR, 1.0)
    return factor


def normalized(one: Doubles, two: Doubles, log_factor: Callable[[Doubles, Doubles], Doubles]) -> Doubles:
    """exp(log_factor(log one, log two)) with geometric mean 1, within [1e-4, 1e4]; 1 unless both are positive."""
    live = (one > 0) & (two > 0)
    factor = np.ones(one.shape)
    if live.any():
        logs = log_factor(np.log(one[live]), np.log(two[live]))
        factor[live] = np.clip(np.exp(logs - logs.mean()), _SMALLEST_FACTOR, _LARGEST_FACTOR)
    return factor
