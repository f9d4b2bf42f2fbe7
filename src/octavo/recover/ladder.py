"""Climb the ladder: apply rung after rung and measure each, until the budget is met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan
from time import perf_counter

import onnx_ir as ir

from octavo.errors import OptionError
from octavo.measure import MetricResult, peak_rss_bytes
from octavo.measure.decibels import EXACT_DB
from octavo.quantizer import State
from octavo.recover.checkpoint import FinishedRung, LadderCheckpoint
from octavo.recover.context import LadderContext
from octavo.recover.rung import Outcome, Rung
from octavo.recover.step import Step
from octavo.recover.verdict import standard_error
from octavo.system.progress import rough_duration

PLAIN = "plain"
# A smaller difference of the outputs' SQNR, in dB, is noise; a fifth less noise power is worth a metric that is worse
# by less than can be told.
_SQNR_NOISE, _SQNR_CLEAR = 0.05, 1.0


@dataclass(frozen=True)
class Climb:
    """The best state, and every rung that was tried."""

    state: State
    steps: list[Step]


def climb(
    start: Callable[[], State], rungs: Sequence[Rung], context: LadderContext, checkpoint: LadderCheckpoint
) -> Climb:
    """Apply rungs in turn, each to the best state so far; a result that is no better is discarded.

    A state is better when the drop of the metric is smaller by more than one standard error; where the difference
    is within it, when the outputs have a higher SQNR, clearly higher if the metric is worse, and no more decisions
    differ from the float model's. The climb ends when the drop plus one standard error is within the budget; before
    a rung that increases the cost of the model, unless the whole interval of the drop is beyond it. A rung that fails
    is recorded, and the climb goes on from the best state. Where the samples
    cannot judge the budget, agreement with the float model and SQNR decide in place of the drop.

    Args:
        start: makes the plain quantization.
        rungs: the rungs to try, in order; without a budget all of them.
        context: the budget and the metric on the selection set.
        checkpoint: stores finished rungs; those it has are not applied again.

    Raises:
        ValueError: the context has no `measure`.
    """
    if context.measure is None:
        raise ValueError("a climb needs the metric on the selection set; set LadderContext.measure")
    return _Climber(context.measure, context, checkpoint).climb(start, rungs)


class _Climber:
    def __init__(
        self, measure: Callable[[ir.Model], MetricResult], context: LadderContext, checkpoint: LadderCheckpoint
    ) -> None:
        self.measure, self.context, self.checkpoint = measure, context, checkpoint
        self.steps: list[Step] = []

    def climb(self, start: Callable[[], State], rungs: Sequence[Rung]) -> Climb:
        best, metric = self._start(start)
        for rung in rungs:
            if self._is_enough(metric, rung):
                break
            best, metric = self._try(rung, best, metric)
        return Climb(best, self.steps)

    def _start(self, start: Callable[[], State]) -> tuple[State, MetricResult]:
        """The plain quantization and its metric."""
        stored = self.checkpoint.load(0, PLAIN)
        if stored is not None and stored.state is not None and stored.metric is not None:
            self.steps.append(stored.step)
            return stored.state, stored.metric
        began = perf_counter()
        state = start()
        notes = ["the target's grids, ranges and placement", *state.decisions.refinements.values()]
        outcome = Outcome(state, "; ".join(notes))
        metric = self.measure(outcome.state.quantized)
        self._finish(_step(PLAIN, outcome, True, metric, perf_counter() - began), outcome.state, metric)
        return outcome.state, metric

    def _try(self, rung: Rung, best: State, metric: MetricResult) -> tuple[State, MetricResult]:
        """The better of the best state so far and the rung's, with its metric."""
        stored = self.checkpoint.load(len(self.steps), rung.name)
        if stored is not None:
            self.steps.append(stored.step)
            if stored.state is None or stored.metric is None:
                return best, metric
            return stored.state, stored.metric
        if not self._announce(rung, best):
            return best, metric
        began = perf_counter()
        try:
            outcome = rung.apply(best, self.context)
            measured = None if outcome.state is best else self.measure(outcome.state.quantized)
        except OptionError:
            raise
        except Exception as error:
            self._finish(_failed_step(rung, error, perf_counter() - began), None, None)
            return best, metric
        kept = measured is not None and self._is_better(measured, metric)
        step = _step(rung.name, outcome, kept, measured, perf_counter() - began)
        self._finish(step, outcome.state if kept else None, measured)
        return (outcome.state, measured) if kept and measured is not None else (best, metric)

    def _announce(self, rung: Rung, best: State) -> bool:
        """Announce how long a rung takes; returns False, with a step that says so, where that is not allowed."""
        if rung.estimate_seconds is None:
            return True
        seconds = rung.estimate_seconds(best)
        reason = "" if rung.reason is None else f"; it is for {rung.reason(best)}"
        limit = rung.training_limit_seconds
        if limit is not None and seconds > limit and not self.context.allow_training:
            self.steps.append(_withheld_step(rung, seconds, reason))
            return False
        best.settings.progress.announce(f"{rung.name}: {rung.title}, about {rough_duration(seconds)}{reason}")
        return True

    def _finish(self, step: Step, state: State | None, metric: MetricResult | None) -> None:
        self.steps.append(step)
        self.checkpoint.save(len(self.steps) - 1, FinishedRung(step, state, metric))

    def _is_enough(self, metric: MetricResult, rung: Rung) -> bool:
        if self.context.budget is None:
            return False
        if self.context.cannot_judge and not rung.increases_cost:
            return False
        if rung.increases_cost:
            return (metric.drop if metric.ci95 is None else metric.ci95[0]) <= self.context.budget
        return metric.drop + standard_error(metric) <= self.context.budget

    def _is_better(self, new: MetricResult, old: MetricResult) -> bool:
        return _behaves_better(new, old) if self.context.cannot_judge else _is_better(new, old)


def _is_better(new: MetricResult, old: MetricResult) -> bool:
    gain = old.drop - new.drop
    noise = standard_error(new) if new.ci95 is not None else 0.0
    if abs(gain) > noise:
        return gain > 0
    return _behaves_better(new, old, _SQNR_NOISE if gain >= 0 else _SQNR_CLEAR)


def _behaves_better(new: MetricResult, old: MetricResult, least_db: float = _SQNR_NOISE) -> bool:
    """Whether a model behaves more like the float model: by SQNR, unless more of its decisions differ."""
    if new.agreement is not None and old.agreement is not None and new.agreement < old.agreement:
        return False
    return _mean_sqnr_db(new) > _mean_sqnr_db(old) + least_db


def _mean_sqnr_db(metric: MetricResult) -> float:
    """The mean over the outputs, so that an output of large values does not hide the others."""
    levels = [min(output.sqnr_db, EXACT_DB) for output in metric.outputs if not isnan(output.sqnr_db)]
    return sum(levels) / len(levels) if levels else metric.sqnr_db


def _step(name: str, outcome: Outcome, kept: bool, metric: MetricResult | None, seconds: float) -> Step:
    interval = None if metric is None or metric.ci95 is None else list(metric.ci95)
    return Step(
        rung=name,
        note=outcome.note,
        kept=kept,
        drop=None if metric is None else metric.drop,
        drop_ci95=interval,
        sqnr_db=None if metric is None else metric.sqnr_db,
        seconds=seconds,
        peak_rss_bytes=peak_rss_bytes(),
        details=outcome.details,
    )


def _failed_step(rung: Rung, error: Exception, seconds: float) -> Step:
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    note = f"failed and left the best result so far: {reason}"
    return Step(rung.name, note, False, None, None, None, seconds, peak_rss_bytes(), failed=True)


def _withheld_step(rung: Rung, seconds: float, reason: str) -> Step:
    note = f"not begun: it would take about {rough_duration(seconds)}; `allow_training` allows it{reason}"
    return Step(rung.name, note, False, None, None, None, 0.0, peak_rss_bytes(), withheld=True)
