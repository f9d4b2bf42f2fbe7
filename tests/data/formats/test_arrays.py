"""Arrays in memory: their rows are the samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.sample_data import LABELS, ROWS, VALUES, X, inputs, opened, refusal, spec

from octavo.errors import DataError


@given(st.integers(1, 12), st.integers(1, 12))
def test_batches_hold_the_rows_in_order(rows: int, size: int) -> None:
    source = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    batches = list(opened(source).batches(size))
    assert [batch.start for batch in batches] == list(range(0, rows, size))
    assert [batch.size for batch in batches] == [min(size, rows - start) for start in range(0, rows, size)]
    np.testing.assert_array_equal(np.concatenate([batch.inputs["x"] for batch in batches]), source)


def test_arrays_other_than_inputs_are_the_reference() -> None:
    samples = opened({"x": VALUES, "labels": LABELS, "groups": LABELS // 2}, limit=4)
    assert list(inputs(samples)) == ["x"]
    reference = samples.reference()
    assert list(reference) == ["labels", "groups"]
    np.testing.assert_array_equal(reference["labels"], LABELS[:4])
    assert samples.length == 4


def test_tensors_that_require_gradients_are_read() -> None:
    samples = opened({"x": torch.from_numpy(VALUES).requires_grad_()})
    np.testing.assert_array_equal(inputs(samples)["x"], VALUES)


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ({"x": VALUES, "epoch": np.int64(3)}, ("'epoch'", "single number")),
        ({"x": VALUES, "labels": LABELS[:-1]}, ("'labels'", f"{ROWS - 1} rows", str(ROWS))),
        ({"x": VALUES, "labels": np.array([None] * ROWS)}, ("'labels'", "Python objects")),
        ({"x": [[1.0], [1.0, 2.0]]}, ("'x'", "cannot be read")),
        ({"y": VALUES, "z": VALUES}, ("'x'", "'y', 'z'")),
        ({}, ("'x'", "nothing")),
        (VALUES[:0], ("no samples",)),
        (np.ones(()), ("single number",)),
    ],
)
def test_invalid_arrays_are_refused(source: Any, parts: tuple[str, ...]) -> None:
    refusal(lambda: inputs(opened(source)), DataError, *parts)


def test_a_bare_array_is_refused_for_several_inputs() -> None:
    refusal(lambda: opened(VALUES, (*X, spec("mask"))), DataError, "'mask'")


def test_the_digest_depends_on_names_types_shapes_and_values_but_not_layouts() -> None:
    one = {"x": VALUES, "labels": LABELS}
    changed = VALUES.copy()
    changed[-1, -1] = np.nextafter(changed[-1, -1], np.float32(9))
    others: list[dict[str, Any]] = [
        {"x": VALUES},
        {"x": changed, "labels": LABELS},
        {"x": VALUES, "labels": LABELS + 1},
        {"x": VALUES, "groups": LABELS},
        {"x": VALUES, "labels": LABELS.astype(np.int32)},
        {"x": VALUES, "labels": LABELS[:, None]},
        {"x": VALUES, "labels": np.array([str(label) for label in LABELS])},
        {"x": VALUES, "labels": LABELS.astype("M8[s]")},
        {"x": VALUES[::-1], "labels": LABELS},
    ]
    digests = {opened(source).sha256() for source in (one, *others)}
    assert len(digests) == len(others) + 1
    same = {"labels": LABELS.copy(), "x": np.asfortranarray(VALUES)}
    assert opened(same).sha256() == opened(one).sha256()
