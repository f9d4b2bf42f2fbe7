"""Counting, hashing and limiting samples of any source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.sample_data import LABELS, ROWS, VALUES, X, inputs, opened, refusal, spec

from octavo.data import Preprocess, SampleSet, sample_hashes
from octavo.errors import DataError


def _sources(folder: Path) -> dict[str, Any]:
    np.savez(folder / "calib.npz", x=VALUES, labels=LABELS)
    return {
        "file": folder / "calib.npz",
        "arrays": {"x": VALUES, "labels": LABELS},
        "items": [(VALUES[:4], LABELS[:4]), (VALUES[4:], LABELS[4:])],
        "samples": list(zip(VALUES, LABELS, strict=True)),
    }


def _hashes(samples: SampleSet, batch_size: int) -> list[bytes]:
    return [digest for batch in samples.batches(batch_size) for digest in sample_hashes(batch)]


@pytest.mark.parametrize("limit", [1, 4, 5, ROWS, 100])
@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_a_limit_takes_the_first_n_samples_of_any_source(limit: int, batch_size: int, tmp_path: Path) -> None:
    for source in _sources(tmp_path).values():
        samples = opened(source, limit=limit)
        np.testing.assert_array_equal(inputs(samples, batch_size)["x"], VALUES[:limit])
        assert samples.length == min(limit, ROWS)
        reference = samples.reference() or {
            "labels": np.concatenate([batch.reference["labels"] for batch in samples.batches(1)])
        }
        np.testing.assert_array_equal(reference["labels"], LABELS[:limit])


def test_samples_beyond_the_limit_are_not_checked() -> None:
    damaged = VALUES.copy()
    damaged[3:] = np.nan
    np.testing.assert_array_equal(inputs(opened(damaged, limit=3), 100)["x"], VALUES[:3])
    np.testing.assert_array_equal(inputs(opened([damaged], limit=3))["x"], VALUES[:3])
    np.testing.assert_array_equal(inputs(opened([VALUES[:3], "junk"], limit=3))["x"], VALUES[:3])


def test_a_generator_is_read_only_up_to_the_limit() -> None:
    read = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal read
        while True:
            read += 1
            yield VALUES[:2]

    assert len(inputs(opened(endless(), limit=5))["x"]) == 5
    assert read == 3


def test_a_second_pass_yields_the_same_samples(tmp_path: Path) -> None:
    for source in _sources(tmp_path).values():
        samples = opened(source)
        first, digest = inputs(samples, 2), samples.sha256()
        np.testing.assert_array_equal(inputs(samples, 3)["x"], first["x"])
        assert samples.sha256() == digest


def test_an_abandoned_pass_does_not_affect_the_next(tmp_path: Path) -> None:
    for source in _sources(tmp_path).values():
        samples = opened(source)
        passing = samples.batches(2)
        next(passing)
        np.testing.assert_array_equal(inputs(samples)["x"], VALUES)


@given(st.integers(1, 10), st.integers(1, 10))
def test_hashes_do_not_depend_on_the_batch_size(first: int, second: int) -> None:
    by_rows = _hashes(opened(VALUES), first)
    assert by_rows == _hashes(opened(VALUES), second)
    assert by_rows == _hashes(opened([VALUES[i : i + second] for i in range(0, ROWS, second)]), 1)
    assert len(set(by_rows)) == ROWS
    assert {len(digest) for digest in by_rows} == {8}


def test_hashes_are_of_the_converted_inputs() -> None:
    raw = np.arange(6, dtype=np.uint8).reshape(2, 3)
    stored = _hashes(opened(raw, preprocess=Preprocess(scale=0.5, offset=-1.0)), 2)
    assert stored == _hashes(opened(raw.astype(np.float32) * np.float32(0.5) - np.float32(1)), 2)
    assert stored == _hashes(opened(np.asfortranarray(raw.astype(float) * 0.5 - 1)), 2)


def test_equal_samples_have_equal_hashes_and_others_do_not() -> None:
    source = VALUES.copy()
    source[3] = source[0]
    source[5] = np.nextafter(source[0], np.float32(9))
    hashes = _hashes(opened(source), 4)
    assert [i for i, digest in enumerate(hashes) if digest == hashes[0]] == [0, 3]


def test_hashes_cover_every_input_but_no_label() -> None:
    specs = (*X, spec("y"))
    plain = _hashes(opened({"x": VALUES, "y": VALUES * 2}, specs), 2)
    assert plain == _hashes(opened({"y": VALUES * 2, "labels": LABELS, "x": VALUES}, specs[::-1]), 2)
    assert not set(plain) & set(_hashes(opened({"x": VALUES, "y": VALUES * 3}, specs), 2))
    assert not set(plain) & set(_hashes(opened({"x": VALUES + 1, "y": VALUES * 2}, specs), 2))


def test_an_empty_source_is_refused() -> None:
    refusal(lambda: opened(VALUES[:0]), DataError, "no samples")
    refusal(lambda: inputs(opened(iter([]))), DataError, "no samples")
