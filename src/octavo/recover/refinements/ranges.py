"""Min-max ranges in place of those of the target's estimator, for all tensors or for those whose layers gain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from octavo.affine import QuantParams, fake_quantize, rule
from octavo.quantizer import Decisions, Draft, State, derive
from octavo.ranges import RangeSketch
from octavo.recover.layers.capture import Captured
from octavo.recover.layers.im2col import integer_matrix

_MINMAX = "minmax"
# Fewer rows than for biases are enough to propose tensors: the outputs decide.
_EVERY = 4


def whole_ranges(state: State) -> dict[str, QuantParams]:
    """Parameters of min-max ranges for the tensors that the estimator clips, by the tensor that is observed."""
    params_from_range = rule(state.plan.target.rule).params_from_range
    whole: dict[str, QuantParams] = {}
    for tensor in state.plan.tensors.values():
        observer = state.calibration.observers[tensor.source]
        if tensor.source not in state.ranges or tensor.estimator == _MINMAX or not isinstance(observer, RangeSketch):
            continue
        low, high = state.calibration.range(tensor.source, _MINMAX, tensor.grid, tensor.symmetric)
        if (low, high) != state.ranges[tensor.source]:
            whole[tensor.source] = params_from_range(low, high, tensor.grid, symmetric=tensor.symmetric)
    return whole


def proposals(
    state: State, whole: Mapping[str, QuantParams], captured: Mapping[str, Captured]
) -> Iterator[frozenset[str]]:
    """Sets of tensors to give min-max ranges: all that the estimator clips, and those whose layers gain."""
    every, gaining = frozenset(whole), frozenset(_gaining(state, whole, captured))
    yield from dict.fromkeys(chosen for chosen in (every, gaining) if chosen)


def with_ranges(state: State, whole: Mapping[str, QuantParams], chosen: frozenset[str]) -> dict[str, QuantParams]:
    """The parameters of all tensors of the plan, those of the chosen sources from their min-max ranges."""
    sources = {name: tensor.source for name, tensor in state.plan.tensors.items()}
    return {
        name: whole[sources[name]] if sources[name] in chosen else params for name, params in state.activations.items()
    }


def with_whole_ranges(state: State, chosen: frozenset[str]) -> State:
    """The state that the planner's choice of min-max for these tensors would have given."""
    if not chosen:
        return state
    note = f"min-max ranges for {len(chosen)} of {len(state.ranges)} tensors"
    estimators = dict.fromkeys(sorted(chosen), _MINMAX)
    decisions = Decisions(estimators=estimators, refinements={**state.decisions.refinements, "ranges": note})
    return derive(Draft(state.settings, state.model, state.reference, decisions, state.calibration))


def _gaining(state: State, whole: Mapping[str, QuantParams], captured: Mapping[str, Captured]) -> set[str]:
    """The tensors whose min-max ranges lower the output error of the layers that read them."""
    gains: dict[str, float] = {}
    for layer in state.plan.layers.values():
        name, seen = layer.inputs.get(0), captured.get(layer.name)
        source = "" if name is None else state.plan.tensors[name].source
        if name is None or seen is None or source not in whole or not layer.weights:
            continue
        weights = integer_matrix(seen.linear, state.constants[layer.name, 1]).astype(np.float32)
        costs = [_cost(seen, weights, params) for params in (state.activations[name], whole[source])]
        gains[source] = gains.get(source, 0.0) + costs[0] - costs[1]
    return {source for source, gain in gains.items() if gain > 0}


def _cost(seen: Captured, weights: np.ndarray, params: QuantParams) -> float:
    """The squared error of the layer's output relative to its power, without the part that a bias can cancel."""
    rows = seen.rows[:, ::_EVERY]
    expected = rows @ seen.linear.matrix.transpose(0, 2, 1)
    error = fake_quantize(rows, params) @ weights.transpose(0, 2, 1) - expected
    if seen.linear.takes_bias:
        error -= error.mean(axis=1, keepdims=True)
    power = float(np.square(expected).sum(dtype=np.float64))
    return float(np.square(error).sum(dtype=np.float64)) / power if power > 0 else 0.0
