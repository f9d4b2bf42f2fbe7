"""Whether the budget is met, judged by the paired 95% interval of the drop."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

from octavo.measure import MetricResult
from octavo.measure.bounds import samples_for, share_bound
from octavo.system.digits import decimals, fixed
from octavo.system.numbers import rounded_up

Kind = Literal["met", "not met", "cannot tell"]
_Z = 1.959964


@dataclass(frozen=True)
class Verdict:
    """The result of comparing a budget with the paired 95% interval of the drop.

    Attributes:
        budget: how much the metric may lose, in its unit.
        kind: "met" if the whole interval is within the budget, "not met" if it is beyond, else "cannot tell".
        samples: the number of samples, or groups of samples, in the judging set.
        needed: about how many would be enough; None if the verdict is certain, or the drop equals the budget.
        sentence: the verdict in words.
        changed: whether the model differs from the float model beyond the interval, in either direction.
    """

    budget: float
    kind: Kind
    samples: int
    needed: int | None
    sentence: str
    changed: bool = False


def judge(metric: MetricResult, budget: float) -> Verdict:
    """The verdict on a metric that was measured on the judging set."""
    kind = _kind(metric, budget)
    needed = _needed(metric, budget) if kind == "cannot tell" else None
    return Verdict(budget, kind, metric.groups, needed, _sentence(metric, budget, kind, needed), metric.changed)


def standard_error(metric: MetricResult) -> float:
    """The standard error of the drop, from its interval; infinite without one."""
    return float("inf") if metric.ci95 is None else (metric.ci95[1] - metric.ci95[0]) / 2 / _Z


def _kind(metric: MetricResult, budget: float) -> Kind:
    if metric.ci95 is None:
        return "cannot tell"
    low, high = metric.ci95
    return "met" if high <= budget else "not met" if low > budget else "cannot tell"


def _needed(metric: MetricResult, budget: float) -> int | None:
    """The number of samples at which the interval, whose width is 1 / sqrt(samples), excludes the budget."""
    if metric.ci95 is None or metric.drop == budget:
        return None
    if metric.drop == 0.0 and metric.agreement == 1.0:  # no sample differs: the interval follows Wilson's bound
        whole = metric.ci95[1] / share_bound(metric.groups)
        return max(metric.groups + 1, ceil(samples_for(budget / whole)))
    reach = metric.ci95[1] - metric.drop if metric.drop < budget else metric.drop - metric.ci95[0]
    return max(metric.groups + 1, ceil(metric.groups * (reach / (budget - metric.drop)) ** 2))


def _sentence(metric: MetricResult, budget: float, kind: Kind, needed: int | None) -> str:
    unit = f" {metric.unit}" if metric.unit else ""
    allowed = f"{budget:g}{unit}"
    what = f"{_drop(metric)} on {metric.samples} samples not used for selection{_change(metric)}{_worst(metric)}"
    if kind != "cannot tell":
        return f"budget of {allowed} {kind}: {what}"
    hint = "" if needed is None else f"; about {rounded_up(needed)} are needed"
    return f"budget of {allowed}: cannot tell with {metric.groups} samples{hint}: {what}"


def _drop(metric: MetricResult) -> str:
    """The drop and its interval, in digits that follow the interval."""
    places = decimals(metric.ci95 or (metric.drop,), metric.unit)
    text = f"{metric.title} drops by {fixed(metric.drop, places)}"
    if metric.ci95 is None:
        return text
    low, high = (fixed(end, places, sign=True) for end in metric.ci95)
    return f"{text} (95% interval {low} to {high})"


def _worst(metric: MetricResult) -> str:
    """Which of several outputs has the lowest SQNR."""
    worst = metric.worst
    if worst is None or len(metric.outputs) < 2:
        return ""
    return f"; lowest SQNR: {worst.title}, {worst.sqnr_db:.1f} dB"


def _change(metric: MetricResult) -> str:
    """That the model has changed, whichever way its metric moved."""
    if not metric.changed:
        return ""
    how = "" if metric.agreement is None else f", {1 - metric.agreement:.1%} of its decisions differ from float"
    return f"; the model has changed beyond chance{how}"
