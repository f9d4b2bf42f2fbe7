"""Raise layers to more bits: wider weights, wider activations, or float, with biases that fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from octavo.affine import INT16, UINT16, Grid
from octavo.graph.linear import linear
from octavo.graph.plan import LayerPlan
from octavo.quantizer import Draft, State, derive
from octavo.recover.layers.bias_correction import BiasCorrection
from octavo.recover.layers.capture import Captured
from octavo.recover.layers.visit import biased

Floats = NDArray[np.float32]

# The reason of layers that `mix` leaves in float.
RAISED = "raised to float by mixed precision: most quantization error for its multiply-accumulates"
_FULL_BITS, _WIDE_BITS = 8, 16


def raised(state: State, layers: Sequence[str], captured: Mapping[str, Captured] | None = None) -> State:
    """The state with these layers at higher precision.

    Weights and activations of fewer than 8 bits get 8. In layers that have them already, activations get 16 where the
    target has them; else the layer is left in float. An activation is raised with the layers that read it, and with
    the layer that writes it where no quantized layer does.

    Args:
        state: the quantization.
        layers: names of layers of its plan.
        captured: what the layers read in the float model; with it, all biases are corrected for the raised state, and
            those of layers in float are the float model's: what was corrected for fewer bits is wrong for more.
    """
    draft: Draft = state
    full = {name: grid for name in layers for grid in _full_weights(state, state.plan.layers[name])}
    if full:
        draft = draft.with_weight_grids(full)
    wide, floats = _wide_activations(state, [name for name in layers if name not in full])
    if wide:
        draft = draft.with_grids(wide)
    if floats:
        draft = draft.with_left_out(dict.fromkeys(floats, RAISED))
    result = derive(draft)
    return result if captured is None else _rebiased(result, captured)


def what_is_raised(state: State) -> str:
    """What `raised` raised layers to, in words."""
    decisions = state.decisions
    kinds = {
        "float": RAISED in decisions.left_out.values(),
        "16-bit activations": any(grid.bits == _WIDE_BITS for grid in decisions.grids.values()),
        "8-bit activations": any(grid.bits == _FULL_BITS for grid in decisions.grids.values()),
        "8-bit weights": bool(decisions.weight_grids),
    }
    return " and ".join(kind for kind, present in kinds.items() if present)


def _full_weights(state: State, layer: LayerPlan) -> list[Grid]:
    """The grid of 8 bits for a layer whose weights have fewer, where the target has it."""
    full = state.settings.target.weight_widths.get(_FULL_BITS)
    blocks = any(weight.block_size is not None for weight in layer.weights)
    narrow = [weight for weight in layer.weights if full is not None and weight.grid.levels < full.levels // 2]
    return [full] if full is not None and narrow and not blocks else []


def _wide_activations(state: State, layers: Sequence[str]) -> tuple[dict[str, Grid], list[str]]:
    """The next wider grids of what the layers read and write, and the layers that have none."""
    target, read = state.settings.target, _read_by_layers(state)
    grids: dict[str, Grid] = {}
    floats: list[str] = []
    for name in layers:
        layer = state.plan.layers[name]
        written = [layer.output] if layer.output in state.plan.tensors and layer.output not in read else []
        for tensor in (state.plan.tensors[each] for each in (*layer.inputs.values(), *written)):
            if tensor.grid.levels < 2 ** (_FULL_BITS - 1) and _FULL_BITS in target.activation_widths:
                grids[tensor.source] = target.activation_widths[_FULL_BITS].grid
            elif _WIDE_BITS in target.activation_widths:
                grids[tensor.source] = INT16 if tensor.grid.signed else UINT16
            elif name not in floats:
                floats.append(name)
    return grids, floats


def _read_by_layers(state: State) -> set[str]:
    return {name for layer in state.plan.layers.values() for name in layer.inputs.values()}


def _rebiased(state: State, captured: Mapping[str, Captured]) -> State:
    biases: dict[str, Floats] = BiasCorrection(state, captured).biases(state.activations)
    nodes = {node.name: node for node in state.reference.graph}
    for name in state.decisions.left_out:
        view = linear(nodes.get(name))
        if view is not None and view.bias is not None:
            biases[name] = view.bias
    return derive(state.with_biases(biased(state.model, biases))) if biases else state
