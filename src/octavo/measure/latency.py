"""Latency of several models, interleaved so that all are exposed to the same noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.engines import Engine
from octavo.system.progress import Progress, Silent

_WARM_UP = 3


@dataclass(frozen=True)
class Latency:
    """Milliseconds per run: median, lower and upper quartile, number of runs."""

    median_ms: float
    low_ms: float
    high_ms: float
    runs: int


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
    return [_summary(milliseconds) for milliseconds in rounds(engines, feeds, seconds, least_runs, progress)]


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


def _summary(milliseconds: list[float]) -> Latency:
    low, median, high = np.quantile(milliseconds, [0.25, 0.5, 0.75])
    return Latency(float(median), float(low), float(high), len(milliseconds))
