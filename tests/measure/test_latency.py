"""Latency: interleaved models, medians and quartiles, and a minimum number of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import cycle
from time import sleep
from typing import Any

import numpy as np
import pytest

from octavo.measure import Latency, latencies, latency, latency_doubt


class Clock:
    """A clock that advances only when a worker runs."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """An engine whose runs take the listed milliseconds in turn; records them in a shared log."""

    inputs = outputs = ()

    def __init__(self, clock: Clock, name: str, diary: list[tuple[str, Any]], *milliseconds: float) -> None:
        self.clock, self.name, self.diary, self.milliseconds = clock, name, diary, cycle(milliseconds)

    def run(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        self.diary.append((self.name, feeds))
        self.clock.now += next(self.milliseconds) / 1e3
        return {}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(latency, "perf_counter", fake)
    return fake


def test_engines_take_turns(clock: Clock) -> None:
    diary: list[tuple[str, Any]] = []
    latencies([Worker(clock, name, diary, 1.0) for name in "abc"], {}, seconds=0.0, least_runs=5)
    assert "".join(name for name, _ in diary[-15:]) == "abc" * 5


def test_each_engine_gets_its_feeds(clock: Clock) -> None:
    for feeds, expected in (({"x": np.ones(1)}, [1, 1]), ([{"x": np.ones(1)}, {"x": np.ones(2)}], [1, 2])):
        diary: list[tuple[str, Any]] = []
        latencies([Worker(clock, name, diary, 1.0) for name in "ab"], feeds, seconds=0.0, least_runs=1)
        for name, size in zip("ab", expected, strict=True):
            assert {len(inputs["x"]) for engine, inputs in diary if engine == name} == {size}


def test_median_and_quartiles_are_in_milliseconds(clock: Clock) -> None:
    times = [4.0, 9.0, 12.0, 30.0, 8.0]
    slow, fast = latencies(
        [Worker(clock, "a", [], *times), Worker(clock, "b", [], 1.0)], {}, seconds=0.0, least_runs=10
    )
    assert (slow.runs, fast.runs) == (10, 10)
    figures = (slow.low_ms, slow.median_ms, slow.high_ms)
    assert figures == pytest.approx(np.percentile(times * 2, [25, 50, 75]))
    assert (fast.low_ms, fast.median_ms, fast.high_ms) == pytest.approx((1, 1, 1))


def test_the_first_runs_are_not_counted(clock: Clock) -> None:
    slow_start = Worker(clock, "a", [], 500.0, 500.0, *[2.0] * 50)
    (timing,) = latencies([slow_start], {}, seconds=0.0, least_runs=20)
    assert (timing.low_ms, timing.median_ms, timing.high_ms) == pytest.approx((2, 2, 2))


@pytest.mark.parametrize(("seconds", "least", "runs"), [(0.0, 7, 7), (0.1, 7, 7), (1.0, 7, 50)])
def test_it_runs_for_the_minimum_time_and_number(clock: Clock, seconds: float, least: int, runs: int) -> None:
    timings = latencies([Worker(clock, name, [], 10.0) for name in "ab"], {}, seconds=seconds, least_runs=least)
    assert [timing.runs for timing in timings] == pytest.approx([runs, runs], abs=1)
    assert timings[0].runs >= least


def test_a_busy_machine_or_a_wide_spread_allows_no_conclusion() -> None:
    first, second = Latency(1.0, 0.9, 1.1, 10), Latency(2.0, 1.8, 2.2, 10)
    assert latency_doubt(first, second) == latency_doubt(second, first) == ""
    assert "other processes took 9.0 of" in latency_doubt(first, replace(second, busy_cores=9.0))
    assert "less than 1.8 or more than 3.6 ms" in latency_doubt(first, replace(second, high_ms=3.6))
    assert latency_doubt(first, replace(first, low_ms=1.05)) == "the quartiles of both overlap"


def test_the_load_of_other_processes_is_counted_without_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([(0.0, 100.0, 1.0), (2.0, 103.5, 2.5)])
    monkeypatch.setattr(latency._Load, "_now", lambda self: next(readings))
    assert latency._Load().others() == pytest.approx(1.0)


def test_real_time_is_measured() -> None:
    class Sleeper:
        inputs = outputs = ()

        def run(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
            sleep(0.005)
            return {}

    (timing,) = latencies([Sleeper()], {}, seconds=0.0, least_runs=5)
    assert 5 <= timing.low_ms <= timing.median_ms <= timing.high_ms < 500
