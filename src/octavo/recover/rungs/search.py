"""Choose the range estimator of each tensor by the output error of the layers that read it."""

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
from octavo.recover.layers.bias_correction import recorrected
from octavo.recover.layers.im2col import integer_matrix, sample_rows
from octavo.recover.layers.walk import Walk, calibration_batches
from octavo.recover.rung import Outcome, Rung, without_context

Floats = NDArray[np.float32]

# All of them read the sketch of the calibration pass.
CANDIDATES = ("mse", "minmax", "percentile:99.999", "percentile:99.99", "percentile:99.9", "entropy")
# A smaller relative gain is noise.
_GAIN = 0.01
_ROWS = 2048


def search(state: State) -> Outcome:
    """Choose the estimator whose range gives the smallest output error.

    Every estimator's range is computed from the sketch of the tensor. Its cost is the relative squared error
    |W^ x^ - W x|^2 / |W x|^2 on a few calibration samples, summed over the layers that read the tensor.
    """
    costs = _costs(state)
    chosen: dict[str, str] = {}
    for source, by_spec in costs.items():
        current = state.plan.tensors[source].estimator if source in state.plan.tensors else ""
        best = min(by_spec, key=lambda spec: by_spec[spec])
        if best != current and by_spec[best] < (1 - _GAIN) * by_spec.get(current, np.inf):
            chosen[source] = best
    if not chosen:
        return Outcome(state, f"no estimator gives a better range for any of {len(costs)} tensors")
    note = f"another estimator for {len(chosen)} of {len(costs)} tensors"
    return Outcome(recorrected(derive(state.with_estimators(chosen))), note)


def _costs(state: State) -> dict[str, dict[str, float]]:
    """The cost of each candidate, by observed tensor and estimator."""
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
            by_estimator = costs.setdefault(tensor.source, {})
            for spec, params in _candidates(state, tensor):
                by_estimator[spec] = by_estimator.get(spec, 0.0) + reader.cost(rows, params)
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
    """A layer that reads a tensor; without constant weights, its error is that of the tensor itself."""

    def __init__(self, state: State, layer: LayerPlan, view: Linear | None) -> None:
        self.linear = view
        if view is not None:
            self.weights: Floats = integer_matrix(view, state.constants[layer.name, 1])

    def rows(self, batches: list[NDArray[Any]], seed: int) -> Floats:
        """Rows of the layer's input, or some values of the tensor."""
        if self.linear is not None:
            return sample_rows(self.linear, batches, seed, _ROWS)
        values = np.concatenate([batch.reshape(-1) for batch in batches]).astype(np.float32, copy=False)
        indices = np.random.default_rng(seed).integers(0, values.size, min(values.size, 1 << 16))
        return values[indices].reshape(1, -1, 1)

    def cost(self, rows: Floats, params: QuantParams) -> float:
        """The relative squared error of the output for an input with these parameters."""
        rounded = fake_quantize(rows, params)
        if self.linear is None:
            return _relative_error(rounded, rows)
        return _relative_error(rounded @ self.weights.transpose(0, 2, 1), rows @ self.linear.matrix.transpose(0, 2, 1))


def _relative_error(actual: Floats, expected: Floats) -> float:
    size = float(np.square(expected).sum(dtype=np.float64))
    return float(np.square(actual - expected).sum(dtype=np.float64)) / size if size > 0 else 0.0


SEARCH = Rung(
    "search", "the range estimator of each tensor, by layer output error", without_context(search), visits_layers=True
)
