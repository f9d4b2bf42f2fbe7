"""Whether a budget is met, as far as the samples can tell."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

from octavo.measure import MetricResult

Kind = Literal["met", "not met", "cannot tell"]
_Z = 1.959964


@dataclass(frozen=True)
class Verdict:
    """A budget held against the paired 95% interval of the drop.

    Attributes:
        budget: how much the metric may lose, in its unit.
        kind: "met" where the whole interval keeps within the budget, "not met" where it lies beyond, else
            "cannot tell".
        samples: how many samples (or groups of them) judged; none of them chose.
        needed: about how many would tell; None where the answer is known, or the drop is the budget itself.
        sentence: the same in words.
    """

    budget: float
    kind: Kind
    samples: int
    needed: int | None
    sentence: str


def judge(metric: MetricResult, budget: float) -> Verdict:
    """The verdict on a metric that was measured on samples kept for it."""
    kind = _kind(metric, budget)
    needed = _needed(metric, budget) if kind == "cannot tell" else None
    return Verdict(budget, kind, metric.groups, needed, _sentence(metric, budget, kind, needed))


def standard_error(metric: MetricResult) -> float:
    """Of the drop, from its interval; infinite where there is none."""
    return float("inf") if metric.ci95 is None else (metric.ci95[1] - metric.ci95[0]) / 2 / _Z


def _kind(metric: MetricResult, budget: float) -> Kind:
    if metric.ci95 is None:
        return "cannot tell"
    low, high = metric.ci95
    return "met" if high <= budget else "not met" if low > budget else "cannot tell"


def _needed(metric: MetricResult, budget: float) -> int | None:
    """The number at which the interval, as wide as one over its root, just leaves the budget out."""
    if metric.ci95 is None or metric.drop == budget:
        return None
    reach = metric.ci95[1] - metric.drop if metric.drop < budget else metric.drop - metric.ci95[0]
    return max(metric.groups + 1, ceil(metric.groups * (reach / (budget - metric.drop)) ** 2))


def _sentence(metric: MetricResult, budget: float, kind: Kind, needed: int | None) -> str:
    unit = f" {metric.unit}" if metric.unit else ""
    allowed = f"{budget:g}{unit}"
    interval = "" if metric.ci95 is None else f" (95% interval {metric.ci95[0]:+.2f} to {metric.ci95[1]:+.2f})"
    what = f"{metric.name} drops by {metric.drop:.2f}{interval} on {metric.samples} samples that chose nothing"
    if kind != "cannot tell":
        return f"budget of {allowed} {kind}: {what}"
    more = "" if needed is None else f"; about {_rounded(needed)} are needed"
    return f"budget of {allowed}: cannot tell with {metric.groups} samples{more}: {what}"


def _rounded(count: int) -> str:
    """Two digits of a number, upwards: it is no more exact than that."""
    step = 10 ** max(len(str(count)) - 2, 0)
    return f"{-(-count // step) * step:,}"
