"""Latency of several models, interleaved so that all are exposed to the same noise."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from octavo.engines import Engine
from octavo.system.progress import Progress, Silent

_WARM_UP = 3
# The machine is busy where other processes take this share of its cores, or of one core where there are many.
_BUSY_SHARE, _BUSY_CORES = 0.25, 1.0
# Nothing is concluded where the upper quartile is so many times the lower one.
_WIDE = 1.5


@dataclass(frozen=True)
class Latency:
    """Milliseconds per run: median, lower and upper quartile, number of runs.

    Attributes:
        busy_cores: how many cores other processes took meanwhile, on average; 0 where that is not known.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    runs: int
    busy_cores: float = 0.0


def latency_doubt(first: Latency, second: Latency) -> str:
    """Why the two latencies, measured in turns, allow no conclusion; empty where they do."""
    cores, others = os.cpu_count() or 1, max(first.busy_cores, second.busy_cores)
    if others > min(_BUSY_SHARE * cores, _BUSY_CORES):
        return f"other processes took {others:.1f} of {cores} cores meanwhile"
    widest = max((first, second), key=lambda each: each.high_ms / each.low_ms)
    if widest.high_ms > _WIDE * widest.low_ms:
        return f"half of the runs took less than {widest.low_ms:.3g} or more than {widest.high_ms:.3g} ms"
    if max(first.low_ms, second.low_ms) <= min(first.high_ms, second.high_ms):
        return "the quartiles of both overlap"
    return ""


def latencies(
    engines: Sequence[Engine],
    feeds: Mapping[str, NDArray[Any]] | Sequence[Mapping[str, NDArray[Any]]],
    *,
    seconds: float = 2.0,
    least_runs: int = 10,
    progress: Progress | None = None,
) -> list[Latency]:
    """Time the engines in turn, round after round.

    Args:
        engines: engines to time.
        feeds: inputs, common or one set per engine.
        seconds: approximate duration of all rounds.
        least_runs: minimum number of rounds.
    """
    load = _Load()
    taken = rounds(engines, feeds, seconds, least_runs, progress)
    busy = load.others()
    return [_summary(milliseconds, busy) for milliseconds in taken]


def rounds(
    engines: Sequence[Engine],
    feeds: Mapping[str, NDArray[Any]] | Sequence[Mapping[str, NDArray[Any]]],
    seconds: float,
    least_runs: int = 10,
    progress: Progress | None = None,
) -> list[list[float]]:
    """Milliseconds of each engine's runs, one run per engine and round; arguments as for `latencies`."""
    inputs_of = [feeds] * len(engines) if isinstance(feeds, Mapping) else list(feeds)
    watch = progress or Silent()
    watch.start("time", None)
    for engine, inputs in zip(engines, inputs_of, strict=True):
        for _ in range(_WARM_UP):
            engine.run(inputs)
    times: list[list[float]] = [[] for _ in engines]
    begin = perf_counter()
    while len(times[0]) < least_runs or perf_counter() - begin < seconds:
        for engine, inputs, milliseconds in zip(engines, inputs_of, times, strict=True):
            start = perf_counter()
            engine.run(inputs)
            milliseconds.append((perf_counter() - start) * 1e3)
        watch.advance()
    watch.done()
    return times


class _Load:
    """The load of the machine by other processes, since this was made."""

    def __init__(self) -> None:
        self._start = self._now()

    def others(self) -> float:
        """How many cores they took, on average."""
        seconds, all_cores, own = (now - then for now, then in zip(self._now(), self._start, strict=True))
        return max(all_cores - own, 0.0) / seconds if seconds > 0 else 0.0

    def _now(self) -> tuple[float, float, float]:
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        return perf_counter(), sum(times) - idle - getattr(times, "guest", 0.0), process_time()


def _summary(taken: list[float], busy: float) -> Latency:
    low, median, high = np.quantile(taken, [0.25, 0.5, 0.75])
    return Latency(float(median), float(low), float(high), len(taken), busy)
