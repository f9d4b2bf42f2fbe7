"""Mixed precision: the cheapest set of layers raised so that the budget holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx_ir as ir

from octavo.errors import OptionError
from octavo.measure import MetricResult
from octavo.quantizer import State
from octavo.recover.context import LadderContext
from octavo.recover.layers.sensitivity import bit_operations, macs, own_errors, raised, relieved
from octavo.recover.rung import Outcome, Rung

# So many layers are measured one at a time, those first that the proxy ranks first.
_MEASURED = 32


def mix(state: State, context: LadderContext) -> Outcome:
    """Raise layers, to 16-bit activations or float, by noise relieved for work added, as few as the budget allows.

    The cost of a layer is the bit operations that raising it adds. How few are enough is found by bisection with the
    metric on the samples to choose by. The points on the way are the Pareto curve, kept in `details`.

    Raises:
        OptionError: there is no budget, or nothing to choose by.
    """
    if context.measure is None or context.budget is None:
        raise OptionError("the rung mix needs a budget and samples to choose by; add `max_drop` and `evaluate`")
    proxy, counts = own_errors(state), macs(state)
    ranked = sorted(proxy, key=lambda name: -proxy[name])[:_MEASURED]
    measured = relieved(state, ranked)
    useful = [name for name in ranked if measured[name] > 0]
    if not useful:
        return Outcome(state, "no single layer, raised, makes the output better")
    now, then = (bit_operations(each, counts) for each in (state, raised(state, useful)))
    order = sorted(useful, key=lambda name: -measured[name] / max(then[name] - now[name], 1.0))
    curve = _Curve(state, order, counts, context.measure)
    best = curve.fewest(context.budget)
    details: dict[str, Any] = {"pareto": curve.points(), "sensitivity": measured, "proxy": proxy}
    share = curve.share(best)
    what = "float" if curve.state(best).decisions.left_out else "16-bit activations"
    note = f"{best} of {len(proxy)} layers raised to {what}, {share:.1%} of the multiply-accumulates"
    return Outcome(curve.state(best), note, details)


class _Curve:
    """The metric by how many layers of an order are raised."""

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
        """With the first so many layers in float."""
        if count not in self._states:
            self._states[count] = raised(self._start, self._order[:count])
        return self._states[count]

    def share(self, count: int) -> float:
        """Their share of the multiply-accumulates."""
        return sum(self._counts[name] for name in self._order[:count]) / sum(self._counts.values())

    def cost(self, count: int) -> float:
        """Bit operations of the whole model, as a multiple of those with none raised."""
        here, before = (sum(bit_operations(self.state(each), self._counts).values()) for each in (count, 0))
        return here / before

    def metric(self, count: int) -> MetricResult:
        """Measured once."""
        if count not in self._metrics:
            self._metrics[count] = self._measure(self.state(count).quantized)
        return self._metrics[count]

    def fewest(self, budget: float) -> int:
        """The smallest count that keeps the budget, as bisection finds it; the best one where none does."""
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
        """What was measured, by rising cost."""
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
