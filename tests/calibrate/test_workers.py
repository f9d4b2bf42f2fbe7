"""Concurrent batches on several threads: all are counted once, and no failure is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from tests.helpers.calibration import inputs, prepared, reference_values
from tests.helpers.distributions import sketch_of
from tests.helpers.models import Arrays, conv_relu

from octavo.calibrate.graph_observation import GraphObservation
from octavo.calibrate.observation import Observation
from octavo.calibrate.output_observation import OutputObservation
from octavo.calibrate.workers import BatchWorkers
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
@pytest.mark.parametrize(
    ("kind", "count"), [(GraphObservation, 1), (GraphObservation, 2), (GraphObservation, 4), (OutputObservation, 1)]
)
def test_every_batch_is_observed_once(kind: type, count: int, size: int) -> None:
    observation: Observation = kind(MODEL, TENSORS, 1)
    observers = {name: RangeSketch() for name in TENSORS}
    observation.start(observers)
    with closing(BatchWorkers(observation, count)) as workers:
        for batch in batches(size):
            workers.observe(batch)
        workers.wait()
    expected = reference_values(MODEL, {"x": X}, len(X))
    assert {name: sketch.to_bytes() for name, sketch in observers.items()} == {
        name: sketch_of(expected[name]).to_bytes() for name in TENSORS
    }


def test_all_lanes_run_concurrently(monkeypatch: pytest.MonkeyPatch) -> None:
    barrier = threading.Barrier(3, timeout=PATIENCE)
    run_session: Callable[[Session, Arrays], Arrays] = Session.run

    def waiting(session: Session, feeds: Any) -> Arrays:
        barrier.wait()
        return run_session(session, feeds)

    monkeypatch.setattr(Session, "run", waiting)
    with closing(BatchWorkers(GraphObservation(MODEL, TENSORS, 1), 3)) as workers:
        for batch in batches(10)[:3]:
            workers.observe(batch)
        workers.wait()
    assert not barrier.broken


def test_one_batch_is_queued_and_no_more() -> None:
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

    with closing(BatchWorkers(Blocked(), 1)) as workers:
        first, second, third = batches(4)[:3]
        workers.observe(first)
        workers.observe(second)
        blocked = threading.Thread(target=workers.observe, args=[third])
        blocked.start()
        blocked.join(0.2)
        assert blocked.is_alive()
        assert begun == [0]
        free.set()
        blocked.join(PATIENCE)
        workers.wait()
    assert begun == [0, 4, 8]


@pytest.mark.parametrize("kind", [GraphObservation, OutputObservation])
def test_a_failure_is_raised_by_a_later_batch_or_by_waiting(kind: type) -> None:
    invalid = Batch({"x": X[:2, :1]}, {}, 0)
    valid = batches(4)[0]

    def observe_twice(workers: BatchWorkers) -> None:
        workers.observe(valid)
        workers.observe(valid)

    for next_call in (BatchWorkers.wait, observe_twice):
        with closing(BatchWorkers(kind(MODEL, TENSORS, 1), 1)) as workers:
            workers.observe(invalid)
            with pytest.raises(DataError, match="could not run the model"):
                next_call(workers)


def test_observers_have_all_batches_after_waiting() -> None:
    observation = GraphObservation(MODEL, TENSORS, 1)
    observers = {name: RangeSketch() for name in TENSORS}
    observation.start(observers)
    with closing(BatchWorkers(observation, 2)) as workers:
        for count, batch in enumerate(batches(8), 1):
            workers.observe(batch)
            workers.wait()
            assert observers["x"].count == X[: 8 * count].size
            assert observers["x"].min == np.min(X[: 8 * count])
