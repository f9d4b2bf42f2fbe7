"""Mixed precision: raise the cheapest set of layers with which the budget is met."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import onnx_ir as ir

from octavo.errors import OptionError
from octavo.measure import MetricResult
from octavo.quantizer import State
from octavo.recover.context import LadderContext
from octavo.recover.layers.bias_correction import CORRECT
from octavo.recover.layers.capture import Captured, capture
from octavo.recover.layers.few import few
from octavo.recover.layers.raising import raised, what_is_raised
from octavo.recover.layers.sensitivity import bit_operations, error_reductions, macs, own_errors, rounding_errors
from octavo.recover.rung import Outcome, Rung
from octavo.recover.rungs.correct import correct

# How many layers are measured one at a time: those with the largest estimated error.
_MEASURED = 32


def mix(state: State, context: LadderContext) -> Outcome:
    """Raise as few layers as the budget needs: to 8 bits what has fewer, else to 16-bit activations or float.

    Layers are ordered by error reduction per bit operation that raising them adds. How many are enough is found by
    bisection with the metric on the selection set; every candidate has corrected biases. The measured points are the
    Pareto curve in `details`.

    Raises:
        OptionError: the context has no budget or no metric.
    """
    if context.measure is None or context.budget is None:
        raise OptionError("the rung mix needs a budget and held-out samples; add `max_drop` and `evaluate`")
    captured = _captured(state)
    estimated, counts = {**rounding_errors(state), **own_errors(state)}, macs(state)
    ranked = sorted(estimated, key=lambda name: -estimated[name])[:_MEASURED]
    if not ranked:
        return Outcome(state, "no quantized layer has an error to reduce")
    measured = error_reductions(state, ranked, captured)
    bit_ops, bit_ops_raised = (bit_operations(s, counts) for s in (state, raised(state, ranked)))
    added = {name: bit_ops_raised.get(name, 0.0) - bit_ops.get(name, 0.0) for name in ranked}
    # The error of one layer can hide that of others: what gains nothing alone comes last, by its own error.
    order = sorted(ranked, key=lambda name: -max(measured[name], 0.0) / max(added[name], 1.0))
    curve = _Curve(state, order, counts, captured, context.measure)
    best = curve.fewest(context.budget)
    details: dict[str, Any] = {"pareto": curve.points(), "sensitivity": measured, "proxy": estimated}
    what, share = what_is_raised(curve.state(best)), curve.share(best)
    layers = f"{best} of {len(estimated)} layers raised to {what}, {share:.1%} of the multiply-accumulates"
    note = f"{layers}; {curve.cost(best):.3g}x the bit operations"
    final = curve.state(best) if not _is_corrected_by_layer(state) else correct(curve.state(best)).state
    return Outcome(final, note, details)


def _captured(state: State) -> dict[str, Captured]:
    """What the layers read in the float model on a few samples, where biases were corrected; else nothing."""
    taken = few(state.settings.samples)[1] if state.model is not state.reference else None
    return {} if taken is None else capture(state.reference, state.settings, taken.fit)


def _is_corrected_by_layer(state: State) -> bool:
    """Whether the rung `correct` corrected biases, rather than the refinement of plain quantization."""
    return state.model is not state.reference and CORRECT not in state.decisions.refinements


class _Curve:
    """The metric as a function of how many layers, in a fixed order, are raised."""

    def __init__(
        self,
        state: State,
        order: list[str],
        counts: dict[str, float],
        captured: Mapping[str, Captured],
        measure: Callable[[ir.Model], MetricResult],
    ) -> None:
        self._start, self._order, self._counts, self._measure = state, order, counts, measure
        self._captured = captured
        self._states: dict[int, State] = {0: state}
        self._metrics: dict[int, MetricResult] = {}

    def state(self, count: int) -> State:
        """The state with the first `count` layers raised."""
        if count not in self._states:
            self._states[count] = raised(self._start, self._order[:count], self._captured)
        return self._states[count]

    def share(self, count: int) -> float:
        """The share of the first `count` layers in the multiply-accumulates."""
        return sum(self._counts.get(name, 0.0) for name in self._order[:count]) / sum(self._counts.values())

    def cost(self, count: int) -> float:
        """Bit operations of the whole model, relative to no raised layers."""
        raised_cost, base = (sum(bit_operations(self.state(n), self._counts).values()) for n in (count, 0))
        return raised_cost / base

    def metric(self, count: int) -> MetricResult:
        """The metric with the first `count` layers raised; measured once."""
        if count not in self._metrics:
            self._metrics[count] = self._measure(self.state(count).quantized)
        return self._metrics[count]

    def fewest(self, budget: float) -> int:
        """The smallest count within the budget, by bisection; the count with the smallest drop if none is."""
        low, high = 0, 1
        while self.metric(high).drop > budget and high < len(self._order):
            low, high = high, min(2 * high, len(self._order))
        if self.metric(high).drop > budget:
            return min(self._metrics, key=lambda count: (self._metrics[count].drop, count))
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.metric(middle).drop <= budget else (middle, high)
        return high

    def points(self) -> list[dict[str, Any]]:
        """The measured points, by rising cost."""
        return [
            {
                "layers": self._order[:count],
                "share_of_macs": self.share(count),
                "bit_operations": self.cost(count),
                "drop": metric.drop,
                "drop_ci95": None if metric.ci95 is None else list(metric.ci95),
                "sqnr_db": metric.sqnr_db,
            }
            for count, metric in sorted(self._metrics.items())
        ]


MIX = Rung("mix", "mixed precision by sensitivity", mix, visits_layers=True, increases_cost=True)
