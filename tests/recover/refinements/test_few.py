"""The calibration samples that refinements are fitted to and checked on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from tests.helpers.models import Arrays

from octavo.data import SampleSet, open_samples
from octavo.graph.spec import TensorSpec
from octavo.recover.refinements.few import Few, few

SPECS = [TensorSpec("x", np.dtype(np.float32), (None, 1))]


def rows(samples: SampleSet) -> list[float]:
    return [float(row[0]) for batch in samples.batches(3) for row in batch.inputs["x"]]


def counted(count: int) -> Arrays:
    return {"x": np.arange(count, dtype=np.float32)[:, None]}


def taken(source: object) -> Few:
    result = few(open_samples(source, SPECS))
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


def test_nothing_is_taken_from_one_sample_or_from_a_generator() -> None:
    assert few(open_samples(counted(1), SPECS)) is None

    def generate() -> Iterator[Arrays]:
        yield counted(64)

    assert few(open_samples(generate(), SPECS)) is None
