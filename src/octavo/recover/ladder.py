"""Climb the ladder: rung after rung, each measured, until the budget is met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from octavo.measure import MetricResult, peak_rss_bytes
from octavo.quantizer.state import State
from octavo.recover.checkpoint import Memory
from octavo.recover.rung import Outcome, Rung
from octavo.recover.step import Step
from octavo.recover.verdict import standard_error

PLAIN = "plain"
# What is remembered of a rung: its step, the state it left where that was kept, and the figures.
_Known = tuple[Step, State | None, MetricResult]
# Fewer decibels of the output are the same.
_CLEAR = 0.05


@dataclass(frozen=True)
class Climb:
    """The best state that was found, and every rung that was tried."""

    state: State
    steps: list[Step]


def climb(
    start: Callable[[], State],
    rungs: Sequence[Rung],
    choose: Callable[[State], MetricResult],
    budget: float | None,
    memory: Memory,
) -> Climb:
    """Try rungs in turn, each on top of the best state so far, which is kept where it is no better.

    A state is better when the metric tells so beyond one standard error, and where the metric cannot tell,
    when the outputs are nearer to the float model's. The climb ends when the drop and one standard error of
    it keep within the budget; before a rung that makes the model slower, when the drop itself does.

    Args:
        start: makes the plain quantization.
        rungs: what to try.
        choose: the metric on the samples to choose by.
        budget: how much it may drop; None tries every rung.
        memory: where finished rungs are kept; those found there are not run again.
    """
    return _Climber(choose, budget, memory).climb(start, rungs)


class _Climber:
    def __init__(self, choose: Callable[[State], MetricResult], budget: float | None, memory: Memory) -> None:
        self.choose, self.budget, self.memory = choose, budget, memory
        self.steps: list[Step] = []

    def climb(self, start: Callable[[], State], rungs: Sequence[Rung]) -> Climb:
        known = self.memory.recall(0, PLAIN)
        best, measured = self._take(
            PLAIN, known, None, lambda: Outcome(start(), "the target's grids, ranges and placement")
        )
        for rung in rungs:
            if self._enough(measured, rung):
                break
            best, measured = self._try(rung, best, measured)
        return Climb(best, self.steps)

    def _try(self, rung: Rung, best: State, measured: MetricResult) -> tuple[State, MetricResult]:
        known = self.memory.recall(len(self.steps), rung.name)
        if rung.seconds is not None and known is None:
            seconds = rung.seconds(best)
            why = "" if rung.why is None else f"; it is for {rung.why(best)}"
            if rung.unasked is not None and seconds > rung.unasked and not best.settings.allow_training:
                self.steps.append(_withheld(rung, seconds, why))
                return best, measured
            best.settings.progress.announce(f"{rung.name}: {rung.title}, about {_duration(seconds)}{why}")
        return self._take(rung.name, known, (best, measured), lambda: rung.apply(best))

    def _take(
        self, name: str, known: _Known | None, before: tuple[State, MetricResult] | None, work: Callable[[], Outcome]
    ) -> tuple[State, MetricResult]:
        """The better of what was and what the rung makes; what is remembered of it is not made again."""
        if known is not None:
            step, state, metric = known
            self.steps.append(step)
            if state is not None:
                return state, metric
            assert before is not None
            return before
        began = perf_counter()
        outcome = work()
        changed = before is None or outcome.state is not before[0]
        found = self.choose(outcome.state) if changed else None
        kept = before is None or (found is not None and _is_better(found, before[1]))
        self.steps.append(_step(name, outcome, kept, found, perf_counter() - began))
        self.memory.keep(len(self.steps) - 1, self.steps[-1], outcome.state if kept else None, found)
        if not kept:
            assert before is not None
            return before
        assert found is not None
        return outcome.state, found

    def _enough(self, metric: MetricResult, rung: Rung) -> bool:
        if self.budget is None:
            return False
        return metric.drop + (0.0 if rung.dear else standard_error(metric)) <= self.budget


def _is_better(new: MetricResult, old: MetricResult) -> bool:
    gained = old.drop - new.drop
    noise = standard_error(new) if new.ci95 is not None else 0.0
    if abs(gained) > noise:
        return gained > 0
    return new.sqnr_db > old.sqnr_db + _CLEAR


def _step(name: str, outcome: Outcome, kept: bool, metric: MetricResult | None, seconds: float) -> Step:
    interval = None if metric is None or metric.ci95 is None else list(metric.ci95)
    return Step(
        name,
        outcome.note,
        kept,
        None if metric is None else metric.drop,
        interval,
        None if metric is None else metric.sqnr_db,
        seconds,
        peak_rss_bytes(),
        outcome.details,
    )


def _withheld(rung: Rung, seconds: float, why: str) -> Step:
    note = f"not begun: it would take about {_duration(seconds)}; `allow_training` allows it{why}"
    return Step(rung.name, note, False, None, None, None, 0.0, peak_rss_bytes(), withheld=True)


def _duration(seconds: float) -> str:
    return f"{max(round(seconds), 1)} s" if seconds < 100 else f"{round(seconds / 60)} min"
