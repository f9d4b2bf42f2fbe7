"""The range estimator of each tensor: the target's, or min-max, by the output error of the layers that read it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from octavo.affine import QuantParams, fake_quantize, rule
from octavo.quantizer import Decisions, Draft, State, derive
from octavo.ranges import RangeSketch, estimator
from octavo.recover.layers.im2col import integer_matrix
from octavo.recover.refinements.rows import LayerRows

Floats = NDArray[np.float32]

_MINMAX = "minmax"


def with_whole_ranges(state: State, layers: Sequence[LayerRows]) -> list[State]:
    """The states with min-max ranges, which clip no calibration sample: for all tensors, and for those that gain.

    A tensor gains where the layers that read it have a smaller output error, worst sample included.

    Args:
        state: the quantization with the target's estimators.
        layers: rows of the layers' inputs.
    """
    clipped = _clipped(state)
    return [_with_minmax(state, chosen) for chosen in _candidates(clipped, _gaining(state, layers) & clipped)]


def _candidates(every: set[str], some: set[str]) -> list[set[str]]:
    return [chosen for chosen in ([every] if some == every else [every, some]) if chosen]


def _clipped(state: State) -> set[str]:
    """The tensors whose estimator chose less than their whole range."""
    narrower = set()
    for tensor in state.plan.tensors.values():
        observer = state.calibration.observers[tensor.source]
        if isinstance(observer, RangeSketch) and tensor.source in state.ranges and tensor.estimator != _MINMAX:
            whole = estimator(_MINMAX).range(observer, tensor.grid, tensor.symmetric)
            if whole != state.ranges[tensor.source]:
                narrower.add(tensor.source)
    return narrower


def _with_minmax(state: State, tensors: set[str]) -> State:
    """The state that the planner's choice of min-max for these tensors would have given."""
    estimators = dict.fromkeys(sorted(tensors), _MINMAX)
    note = f"min-max ranges for {len(tensors)} of {len(state.ranges)} tensors"
    decisions = Decisions(estimators=estimators, refinements={**state.decisions.refinements, "ranges": note})
    return derive(Draft(state.settings, state.model, state.reference, decisions, state.calibration))


def _gaining(state: State, layers: Sequence[LayerRows]) -> set[str]:
    """The tensors with a smaller error at the layers that read them with min-max, worst sample included."""
    gains: dict[str, float] = {}
    for each in layers:
        index = each.layer.inputs.get(0)
        if index is None:
            continue
        tensor = state.plan.tensors[index]
        observer = state.calibration.observers[tensor.source]
        if not isinstance(observer, RangeSketch) or tensor.source not in state.ranges:
            continue
        low, high = estimator(_MINMAX).range(observer, tensor.grid, tensor.symmetric)
        whole = rule(state.plan.target.rule).params_from_range(low, high, tensor.grid, symmetric=tensor.symmetric)
        gain = _cost(state, each, state.activations[index]) - _cost(state, each, whole)
        gains[tensor.source] = gains.get(tensor.source, 0.0) + gain
    return {source for source, gain in gains.items() if gain > 0}


def _cost(state: State, each: LayerRows, params: QuantParams) -> float:
    """The squared error of the layer's output relative to its power: its mean, plus that of the worst sample."""
    weights = integer_matrix(each.linear, state.constants[each.layer.name, 1]).astype(np.float32)
    powers, errors = [], []
    for rows in each.by_sample:
        expected = rows @ each.linear.matrix.transpose(0, 2, 1)
        actual = fake_quantize(rows, params) @ weights.transpose(0, 2, 1)
        powers.append(float(np.square(expected).mean(dtype=np.float64)))
        errors.append(float(np.square(actual - expected).mean(dtype=np.float64)))
    power = float(np.mean(powers))
    return (float(np.mean(errors)) + max(errors)) / power if power > 0 else 0.0
