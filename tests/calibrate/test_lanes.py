"""Batches under way on several threads: all of them counted, once, and no failure lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from tests.helpers.calibration import inputs, plain, prepared, sketched
from tests.helpers.models import Arrays, conv_relu

from octavo.calibrate.fetched import Fetched
from octavo.calibrate.in_graph import InGraph
from octavo.calibrate.lanes import Lanes
from octavo.calibrate.observation import Observation
from octavo.data import Batch
from octavo.engines.onnxruntime import Session
from octavo.errors import DataError
from octavo.ranges import RangeSketch

MODEL = prepared(conv_relu())
X = inputs(MODEL)["x"]
TENSORS = ["x", "c", "r"]
PATIENCE = 30.0


def batches(size: int) -> list[Batch]:
    return [Batch({"x": X[start : start + size]}, {}, start) for start in range(0, len(X), size)]


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize(("kind", "count"), [(InGraph, 1), (InGraph, 2), (InGraph, 4), (Fetched, 1)])
def test_every_batch_is_observed_once(kind: type, count: int, size: int) -> None:
    observation: Observation = kind(MODEL, TENSORS, 1)
    observers = {name: RangeSketch() for name in TENSORS}
    observation.start(observers)
    with closing(Lanes(observation, count)) as lanes:
        for batch in batches(size):
            lanes.observe(batch)
        lanes.wait()
    expected = plain(MODEL, {"x": X}, len(X))
    assert {name: each.to_bytes() for name, each in observers.items()} == {
        name: sketched(expected[name]).to_bytes() for name in TENSORS
    }


def test_as_many_batches_run_at_a_time_as_there_are_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3, timeout=PATIENCE)
    honest: Callable[[Session, Arrays], Arrays] = Session.run

    def waiting(session: Session, feeds: Any) -> Arrays:
        together.wait()
        return honest(session, feeds)

    monkeypatch.setattr(Session, "run", waiting)
    with closing(Lanes(InGraph(MODEL, TENSORS, 1), 3)) as lanes:
        for batch in batches(10)[:3]:
            lanes.observe(batch)
        lanes.wait()
    assert not together.broken


def test_one_batch_waits_ready_for_the_next_free_lane_and_no_more() -> None:
    free = threading.Event()
    begun: list[int] = []

    class Blocked:
        fixed_batch = None

        def start(self, observers: object) -> None:
            raise NotImplementedError

        def nbytes(self, batch: Batch) -> int:
            raise NotImplementedError

        def observe(self, batch: Batch) -> None:
            begun.append(batch.start)
            assert free.wait(PATIENCE)

        def settle(self) -> None:
            pass

    with closing(Lanes(Blocked(), 1)) as lanes:
        first, second, third = batches(4)[:3]
        lanes.observe(first)
        lanes.observe(second)
        blocked = threading.Thread(target=lanes.observe, args=[third])
        blocked.start()
        blocked.join(0.2)
        assert blocked.is_alive()
        assert begun == [0]
        free.set()
        blocked.join(PATIENCE)
        lanes.wait()
    assert begun == [0, 4, 8]


@pytest.mark.parametrize("kind", [InGraph, Fetched])
def test_a_failure_comes_out_at_a_later_batch_or_when_waited_for(kind: type) -> None:
    wrong = Batch({"x": X[:2, :1]}, {}, 0)
    good = batches(4)[0]

    def more(lanes: Lanes) -> None:
        lanes.observe(good)
        lanes.observe(good)

    for then in (Lanes.wait, more):
        with closing(Lanes(kind(MODEL, TENSORS, 1), 1)) as lanes:
            lanes.observe(wrong)
            with pytest.raises(DataError, match="could not run the model"):
                then(lanes)


def test_observers_know_of_all_batches_once_they_were_waited_for() -> None:
    observation = InGraph(MODEL, TENSORS, 1)
    observers = {name: RangeSketch() for name in TENSORS}
    observation.start(observers)
    with closing(Lanes(observation, 2)) as lanes:
        for count, batch in enumerate(batches(8), 1):
            lanes.observe(batch)
            lanes.wait()
            assert observers["x"].count == X[: 8 * count].size
            assert observers["x"].min == np.min(X[: 8 * count])
