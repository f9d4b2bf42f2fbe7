"""Batches under way on several threads: all of them counted, once, and no failure lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from tests.calibrate.calibrating import inputs, plain, prepared, sketched
from tests.models import Arrays, conv_relu

from octavo.calibrate.lanes import Lanes
from octavo.data import Batch
from octavo.engines.onnxruntime import Session
from octavo.errors import DataError
from octavo.ranges import Observer, RangeSketch

MODEL = prepared(conv_relu())
X = inputs(MODEL)["x"]
INNER = ["c", "r"]
PATIENCE = 30.0


def batches(size: int) -> list[Batch]:
    return [Batch({"x": X[start : start + size]}, {}, start) for start in range(0, len(X), size)]


def observers() -> dict[str, Observer]:
    return {name: RangeSketch() for name in ("x", *INNER)}


def session() -> Session:
    return Session(MODEL, outputs=INNER, threads=1, reuse=True)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("size", [1, 7])
def test_every_batch_is_observed_once(count: int, size: int) -> None:
    with closing(Lanes(session(), observers(), count)) as lanes:
        for batch in batches(size):
            lanes.observe(batch)
        lanes.wait()
        found = {name: each.to_bytes() for name, each in lanes.observers.items()}
    expected = plain(MODEL, {"x": X}, len(X))
    assert found == {name: sketched(expected[name]).to_bytes() for name in found}


def test_as_many_batches_run_at_a_time_as_there_are_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3, timeout=PATIENCE)
    honest: Callable[[Session, Arrays], Arrays] = Session.run

    def waiting(session: Session, feeds: Any) -> Arrays:
        together.wait()
        return honest(session, feeds)

    monkeypatch.setattr(Session, "run", waiting)
    with closing(Lanes(session(), observers(), 3)) as lanes:
        for batch in batches(10)[:3]:
            lanes.observe(batch)
        lanes.wait()
    assert not together.broken


def test_a_failure_comes_out_at_the_next_batch_or_when_waited_for() -> None:
    wrong = Batch({"x": X[:2, :1]}, {}, 0)
    for then in (lambda lanes: lanes.wait(), lambda lanes: lanes.observe(batches(4)[0])):
        with closing(Lanes(session(), observers(), 1)) as lanes:
            lanes.observe(wrong)
            with pytest.raises(DataError, match="could not run the model"):
                then(lanes)


def test_results_that_stand_in_one_place_are_not_written_by_another_lane() -> None:
    loaded = session()
    first, second = loaded.twin(), loaded.twin()
    one, two = X[:4], -X[:4]
    first.run({"x": one})
    kept = first.run({"x": one})
    before = {name: array.copy() for name, array in kept.items()}
    for _ in range(3):
        second.run({"x": two})
    assert all(np.array_equal(kept[name], before[name]) for name in kept)
