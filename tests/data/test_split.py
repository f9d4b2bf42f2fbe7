"""Splitting samples into two parts: complete, disjoint, without splitting groups, deterministic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from octavo.data import SampleSet, open_samples, split
from octavo.errors import DataError
from octavo.graph import TensorSpec

SPECS = (TensorSpec("x", np.dtype(np.float32), ("N", 2)),)


def samples(count: int = 30, **arrays: Any) -> SampleSet:
    x = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    return open_samples({"x": x, **arrays}, SPECS)


def firsts(part: SampleSet, batch: int = 4) -> list[float]:
    return [float(row[0]) / 2 for samples in part.batches(batch) for row in samples.inputs["x"]]


def test_parts_are_disjoint_complete_and_in_order() -> None:
    one, two = split(samples(), 1 / 3)
    assert (one.length, two.length) == (10, 20)
    assert sorted(firsts(one) + firsts(two)) == list(range(30))
    assert firsts(one) == sorted(firsts(one))
    assert firsts(one, 1) == firsts(one, 32) == firsts(split(samples(), 1 / 3)[0])
    assert firsts(one) != firsts(split(samples(), 1 / 3, seed=1)[0])


def test_groups_stay_together_with_their_rows() -> None:
    groups = np.tile(np.arange(15), 2)
    for part in split(samples(groups=groups, labels=np.arange(30)), 0.4):
        reference = part.reference()
        assert firsts(part) == list(reference["labels"])
        half = len(reference["groups"]) // 2
        assert np.array_equal(reference["groups"][:half], reference["groups"][half:])


def test_restartable_iterables_are_split_too() -> None:
    items = [{"x": np.full((3, 2), 2 * i, np.float32), "labels": np.full(3, i)} for i in range(10)]
    one, two = split(open_samples(items, SPECS), 0.5)
    rows = [(row[0] / 2, label) for part in (one, two) for b in part.batches(1)
             for row, label in zip(b.inputs["x"], b.reference["labels"], strict=True)]  # fmt: skip
    assert len(rows) == 30
    assert all(a == b for a, b in rows)


def test_one_shot_iterables_and_too_few_samples_are_refused() -> None:
    with pytest.raises(DataError, match="read only once"):
        split(open_samples(iter([np.zeros((2, 2), np.float32)]), SPECS), 0.5)
    with pytest.raises(DataError, match="too few"):
        split(samples(1), 0.3)
