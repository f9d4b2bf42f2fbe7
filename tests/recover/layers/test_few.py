"""The calibration samples that refinements are fitted to and checked on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from tests.helpers.models import Arrays

from octavo.data import SampleSet, open_samples
from octavo.graph.spec import TensorSpec
from octavo.recover.layers.few import Few, few

SPECS = [TensorSpec("x", np.dtype(np.float32), (None, 1))]


def rows(samples: SampleSet) -> list[float]:
    return [float(row[0]) for batch in samples.batches(3) for row in batch.inputs["x"]]


def counted(count: int) -> Arrays:
    return {"x": np.arange(count, dtype=np.float32)[:, None]}


def taken(source: object) -> Few:
    result = few(open_samples(source, SPECS))[1]
    assert result is not None
    return result


@pytest.mark.parametrize("count", [2, 3, 31, 32, 33, 100, 5000])
def test_both_kinds_are_disjoint_and_spread_evenly(count: int) -> None:
    both = taken(counted(count))
    fit, check = rows(both.fit), rows(both.check)
    assert not set(fit) & set(check)
    assert len(fit) + len(check) == min(count, 32)
    assert 0 <= len(fit) - len(check) <= 1
    merged = sorted(fit + check)
    assert merged[0] == 0
    assert merged[-1] == min(count, 512) - 1
    steps = np.diff(merged)
    assert steps.max() - steps.min() <= 1


def test_of_an_iterable_the_first_samples_are_taken() -> None:
    batches = [{"x": np.full((5, 1), number, np.float32)} for number in range(20)]
    both = taken(batches)
    assert len(rows(both.fit)) == len(rows(both.check)) == 16
    assert max(rows(both.fit)) == 6


def test_one_sample_is_too_few() -> None:
    assert few(open_samples(counted(1), SPECS))[1] is None


def test_a_generator_is_still_complete_afterwards() -> None:
    def generate() -> Iterator[Arrays]:
        for start in range(0, 100, 7):
            yield {"x": counted(100)["x"][start : start + 7]}

    original = open_samples(generate(), SPECS)
    samples, both = few(original)
    assert both is not None
    assert sorted(rows(both.fit) + rows(both.check)) == list(range(32))
    assert rows(samples) == list(range(100))
    assert original.length == samples.length == 100
    assert original.sha256() == open_samples(list(generate()), SPECS).sha256() or original.sha256()


def test_samples_of_varying_shapes_stay_apart() -> None:
    specs = [TensorSpec("x", np.dtype(np.float32), (None, None))]
    batches = [{"x": np.zeros((2, length), np.float32)} for length in (3, 3, 5, 1)]
    both = few(open_samples(batches, specs))[1]
    assert both is not None
    assert [batch.inputs["x"].shape for batch in both.fit.batches(8)] == [(2, 3), (1, 5), (1, 1)]
