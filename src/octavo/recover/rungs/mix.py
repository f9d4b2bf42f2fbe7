"""Mixed precision: raise the cheapest set of layers with which the budget is met."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx_ir as ir

from octavo.errors import OptionError
from octavo.measure import MetricResult
from octavo.quantizer import State
from octavo.recover.context import LadderContext
from octavo.recover.layers.sensitivity import bit_operations, error_reductions, macs, own_errors, raised
from octavo.recover.rung import Outcome, Rung

# How many layers are measured one at a time: those with the largest estimated error.
_MEASURED = 32


def mix(state: State, context: LadderContext) -> Outcome:
    """Raise as few layers as the budget needs to 16-bit activations or float.

    Layers are ordered by error reduction per bit operation that raising them adds. How many are enough is found by
    bisection with the metric on the selection set. The measured points are the Pareto curve in `details`.

    Raises:
        OptionError: the context has no budget or no metric.
    """
    if context.measure is None or context.budget is None:
        raise OptionError("the rung mix needs a budget and held-out samples; add `max_drop` and `evaluate`")
    estimated, counts = own_errors(state), macs(state)
    ranked = sorted(estimated, key=lambda name: -estimated[name])[:_MEASURED]
    measured = error_reductions(state, ranked)
    useful = [name for name in ranked if measured[name] > 0]
    if not useful:
        return Outcome(state, "raising any single layer does not reduce the output error")
    bit_ops, bit_ops_raised = (bit_operations(s, counts) for s in (state, raised(state, useful)))
    order = sorted(useful, key=lambda name: -measured[name] / max(bit_ops_raised[name] - bit_ops[name], 1.0))
    curve = _Curve(state, order, counts, context.measure)
    best = curve.fewest(context.budget)
    details: dict[str, Any] = {"pareto": curve.points(), "sensitivity": measured, "proxy": estimated}
    share = curve.share(best)
    what = "float" if curve.state(best).decisions.left_out else "16-bit activations"
    note = f"{best} of {len(estimated)} layers raised to {what}, {share:.1%} of the multiply-accumulates"
    return Outcome(curve.state(best), note, details)


class _Curve:
    """The metric as a function of how many layers, in a fixed order, are raised."""

    def __init__(
        self,
        state: State,
        order: list[str],
        counts: dict[str, float],
        measure: Callable[[ir.Model], MetricResult],
    ) -> None:
        self._start, self._order, self._counts, self._measure = state, order, counts, measure
        self._states: dict[int, State] = {0: state}
        self._metrics: dict[int, MetricResult] = {}

    def state(self, count: int) -> State:
        """The state with the first `count` layers raised."""
        if count not in self._states:
            self._states[count] = raised(self._start, self._order[:count])
        return self._states[count]

    def share(self, count: int) -> float:
        """The share of the first `count` layers in the multiply-accumulates."""
        return sum(self._counts[name] for name in self._order[:count]) / sum(self._counts.values())

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
