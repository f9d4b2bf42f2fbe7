"""For each tensor, the estimator whose range costs its readers' outputs least."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.affine import QuantParams, fake_quantize, rule
from octavo.graph.linear import Linear, linear
from octavo.graph.plan import LayerPlan, TensorPlan
from octavo.quantizer import State, derive
from octavo.ranges import RangeSketch, estimator
from octavo.recover.layers.im2col import integer_matrix, sample_rows
from octavo.recover.layers.walk import Walk, calibration_batches
from octavo.recover.rung import Outcome, Rung, without_context

Floats = NDArray[np.float32]

# All of them read the one sketch that the calibration pass left.
CANDIDATES = ("mse", "minmax", "percentile:99.999", "percentile:99.99", "percentile:99.9", "entropy")
# Ranges that differ by less are one candidate, and gains below it are noise.
_GAIN = 0.01
_ROWS = 2048


def search(state: State) -> Outcome:
    """Hold the ranges that estimators take from the sketch against each other by the layers' output error.

    Ranges come from the sketches alone; a few of the calibration samples tell what each costs the layers
    that read the tensor: |W^ x^ - W x|^2 against |W x|^2, summed over them.
    """
    costs = _costs(state)
    chosen: dict[str, str] = {}
    for source, by_spec in costs.items():
        now = state.plan.tensors[source].estimator if source in state.plan.tensors else ""
        best = min(by_spec, key=lambda spec: by_spec[spec])
        if best != now and by_spec[best] < (1 - _GAIN) * by_spec.get(now, np.inf):
            chosen[source] = best
    if not chosen:
        return Outcome(state, f"of {len(costs)} tensors, none has a better range")
    return Outcome(derive(state.with_estimators(chosen)), f"another range for {len(chosen)} of {len(costs)} tensors")


def _costs(state: State) -> dict[str, dict[str, float]]:
    """For each tensor that is observed, what each candidate costs its readers."""
    settings, plan = state.settings, state.plan
    batches = calibration_batches(settings.samples, state.model, settings.threads)
    nodes = {node.name: node for node in state.model.graph}
    walk = Walk(state.model, batches, settings.threads)
    costs: dict[str, dict[str, float]] = {}
    settings.progress.start("search", len(plan.layers))
    for layer in plan.layers.values():
        settings.progress.advance()
        readable = {i: plan.tensors[n] for i, n in layer.inputs.items() if _has_sketch(state, plan.tensors[n])}
        if layer.role in ("move", "embedding") or not readable:
            continue
        walk.until(layer.name)
        for index, tensor in readable.items():
            reader = _Reader(state, layer, linear(nodes[layer.name]) if index == 0 else None)
            rows = reader.rows(walk.tensor(layer.inputs[index]), settings.seed)
            found = costs.setdefault(tensor.source, {})
            for spec, params in _candidates(state, tensor):
                found[spec] = found.get(spec, 0.0) + reader.cost(rows, params)
    settings.progress.done()
    return costs


def _has_sketch(state: State, tensor: TensorPlan) -> bool:
    return isinstance(state.calibration.observers[tensor.source], RangeSketch)


def _candidates(state: State, tensor: TensorPlan) -> Iterator[tuple[str, QuantParams]]:
    params_from_range = rule(state.plan.target.rule).params_from_range
    observer = state.calibration.observers[tensor.source]
    for spec in dict.fromkeys((tensor.estimator, *CANDIDATES)):
        low, high = estimator(spec).range(observer, tensor.grid, tensor.symmetric)
        yield spec, params_from_range(low, high, tensor.grid, symmetric=tensor.symmetric)


class _Reader:
    """A layer that reads a tensor: through its weights, or as the numbers themselves where it has none."""

    def __init__(self, state: State, layer: LayerPlan, view: Linear | None) -> None:
        self.linear = view
        if view is not None:
            self.weights: Floats = integer_matrix(view, state.constants[layer.name, 1])

    def rows(self, batches: list[NDArray[Any]], seed: int) -> Floats:
        """What the layer sees of the tensor, or some of its values."""
        if self.linear is not None:
            return sample_rows(self.linear, batches, seed, _ROWS)
        values = np.concatenate([batch.reshape(-1) for batch in batches]).astype(np.float32, copy=False)
        chosen = np.random.default_rng(seed).integers(0, values.size, min(values.size, 1 << 16))
        return values[chosen].reshape(1, -1, 1)

    def cost(self, rows: Floats, params: QuantParams) -> float:
        """The squared error of what is computed from the rows, as a share of its square."""
        rounded = fake_quantize(rows, params)
        if self.linear is None:
            return _share(rounded, rows)
        return _share(rounded @ self.weights.transpose(0, 2, 1), rows @ self.linear.matrix.transpose(0, 2, 1))


def _share(given: Floats, right: Floats) -> float:
    size = float(np.square(right).sum(dtype=np.float64))
    return float(np.square(given - right).sum(dtype=np.float64)) / size if size > 0 else 0.0


SEARCH = Rung(
    "search", "the range estimator of each tensor, by layer output error", without_context(search), visits_layers=True
)
