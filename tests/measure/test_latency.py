"""Latency: models in turn, medians and quartiles of at least so many runs."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter, sleep
from typing import Any

import numpy as np
import pytest

from octavo.measure import latencies


class Sleeper:
    """Sleeps for the times given, in turn, and notes its calls in a common diary."""

    inputs = outputs = ()

    def __init__(self, name: str, diary: list[tuple[str, Any]], *milliseconds: float) -> None:
        self.name, self.diary, self.milliseconds, self.calls = name, diary, milliseconds, 0

    def run(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        self.diary.append((self.name, feeds))
        sleep(self.milliseconds[self.calls % len(self.milliseconds)] / 1e3)
        self.calls += 1
        return {}


def test_engines_take_turns() -> None:
    diary: list[tuple[str, Any]] = []
    latencies([Sleeper(name, diary, 0.0) for name in "abc"], {}, seconds=0.0, least_runs=5)
    assert "".join(name for name, _ in diary[-15:]) == "abc" * 5


def test_each_engine_gets_its_feeds() -> None:
    for feeds, expected in (({"x": np.ones(1)}, [1, 1]), ([{"x": np.ones(1)}, {"x": np.ones(2)}], [1, 2])):
        diary: list[tuple[str, Any]] = []
        latencies([Sleeper("a", diary, 0.0), Sleeper("b", diary, 0.0)], feeds, seconds=0.0, least_runs=1)
        for name, size in zip("ab", expected, strict=True):
            assert {len(given["x"]) for each, given in diary if each == name} == {size}


def test_median_and_quartiles_are_in_milliseconds_and_order() -> None:
    # Warm-up takes the first three; of the rest a quarter each sleeps 4, 12, 12 and 30 ms.
    engine = Sleeper("a", [], 0.0, 0.0, 0.0, *[4.0, 12.0, 12.0, 30.0] * 3)
    quick = Sleeper("b", [], 1.0)
    slow, fast = latencies([engine, quick], {}, seconds=0.0, least_runs=12)
    assert slow.runs == fast.runs == 12
    assert slow.low_ms <= slow.median_ms <= slow.high_ms
    assert slow.median_ms == pytest.approx(12, abs=3)
    assert 4 <= slow.low_ms < 13
    assert slow.high_ms >= 12
    assert fast.median_ms < slow.median_ms / 3


@pytest.mark.parametrize(("seconds", "least"), [(0.0, 7), (0.15, 2)])
def test_runs_as_often_as_asked_and_as_long(seconds: float, least: int) -> None:
    start = perf_counter()
    (found,) = latencies([Sleeper("a", [], 2.0)], {}, seconds=seconds, least_runs=least)
    assert perf_counter() - start >= seconds
    assert found.runs == least if seconds == 0 else found.runs > least
