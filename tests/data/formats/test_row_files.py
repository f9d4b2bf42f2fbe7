"""Samples in .npz and .npy files, valid and damaged."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.helpers.sample_data import (
    LABELS,
    ROWS,
    VALUES,
    X,
    archive,
    headed,
    inputs,
    opened,
    read_or_refused,
    refusal,
    spec,
    stored,
)

from octavo.errors import DataError

Saver = Callable[..., None]


def _file_of(folder: Path, content: bytes, name: str = "calib.npz") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("batch_size", [1, 3, ROWS, 100])
def test_an_npz_has_inputs_by_name_and_other_arrays_are_the_reference(
    save: Saver, order: Any, batch_size: int, tmp_path: Path
) -> None:
    path = tmp_path / "calib.npz"
    save(path, groups=LABELS // 2, mask=LABELS, x=np.asarray(VALUES, order=order), labels=LABELS)
    samples = opened(path, (*X, spec("mask", ("N",), np.int64)))
    assert samples.length == ROWS
    given_back = inputs(samples, batch_size)
    np.testing.assert_array_equal(given_back["x"], VALUES)
    np.testing.assert_array_equal(given_back["mask"], LABELS)
    reference = samples.reference()
    assert set(reference) == {"groups", "labels"}
    np.testing.assert_array_equal(reference["groups"], LABELS // 2)


@pytest.mark.parametrize("name", ["calib.npy", "CALIB.NPY"])
def test_an_npy_is_the_only_input_whatever_its_name(name: str, tmp_path: Path) -> None:
    samples = opened(_file_of(tmp_path, stored(VALUES), name))
    np.testing.assert_array_equal(inputs(samples)["x"], VALUES)
    assert samples.reference() == {}


def test_another_byte_order_is_read(tmp_path: Path) -> None:
    samples = opened(_file_of(tmp_path, stored(VALUES.astype(">f4")), "calib.npy"))
    given_back = inputs(samples)["x"]
    assert given_back.dtype == np.float32
    np.testing.assert_array_equal(given_back, VALUES)


@pytest.mark.parametrize("name", ["calib.npy", "calib.npz"])
def test_memory_is_independent_of_the_file_size(name: str, tmp_path: Path) -> None:
    path, rows = tmp_path / name, 4096
    array = np.zeros((rows, 1024), np.float32)
    np.save(path, array) if name.endswith("y") else np.savez_compressed(path, x=array)
    tracemalloc.start()
    try:
        samples = opened(path, (spec(shape=("N", 1024)),))
        assert sum(batch.size for batch in samples.batches(16)) == rows
        assert tracemalloc.get_traced_memory()[1] < array.nbytes // 16
    finally:
        tracemalloc.stop()


class _Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["x", "labels"])
def test_pickled_objects_are_refused_and_never_run(name: str, tmp_path: Path) -> None:
    bomb = tmp_path / "ran"
    objects = np.array([[_Bomb(bomb)] * 3] * ROWS, object)
    path = _file_of(tmp_path, archive(**{"x": stored(VALUES), name: stored(objects)}))
    refusal(lambda: opened(path), DataError, f"'{name}'", "calib.npz", "Python objects")
    assert not bomb.exists()


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"not a zip at all", ("not a readable .npz",)),
        (stored(VALUES), ("not a readable .npz",)),
        (archive(x=stored(VALUES))[:-30], ("not a readable .npz",)),
        (archive(), ("no arrays",)),
        (archive(x=b"text"), ("'x'", "not a readable NumPy array")),
        (archive(x=stored(VALUES[:-1]), labels=stored(LABELS)), ("'labels'", "7 rows", "'x' has 6")),
        (archive(x=stored(VALUES), epoch=stored(np.array(3))), ("'epoch'", "single number")),
        (archive(x=stored(VALUES), labels=headed("<i8", (ROWS, 10**12))), ("'labels'", "is truncated")),
        (archive(y=stored(VALUES), z=stored(VALUES)), ("'x'", "'y', 'z'")),
    ],
)
def test_an_invalid_npz_is_refused(content: bytes, parts: tuple[str, ...], tmp_path: Path) -> None:
    path = _file_of(tmp_path, content)
    refusal(lambda: opened(path).reference(), DataError, "calib.npz", *parts)


def test_an_array_without_rows_is_refused(tmp_path: Path) -> None:
    refusal(lambda: opened(_file_of(tmp_path, archive(x=stored(VALUES[:0])))), DataError, "no samples")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_changed_byte_is_detected(save: Saver, tmp_path: Path) -> None:
    stream = io.BytesIO()
    save(stream, x=np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32))
    content = bytearray(stream.getvalue())
    content[3000] ^= 1
    path = _file_of(tmp_path, bytes(content))
    refusal(lambda: inputs(opened(path)), DataError, "'x'", "calib.npz", "write it again")


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    path = _file_of(tmp_path, archive(x=stored(VALUES)))
    assert opened(path).sha256() == hashlib.sha256(path.read_bytes()).hexdigest()


@settings(max_examples=200)
@given(st.data())
def test_damage_anywhere_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, x=VALUES, labels=LABELS)
    content = bytearray(stream.getvalue())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.just(len(content)) | st.integers(1, len(content)))
    path = _file_of(tmp_path_factory.getbasetemp(), bytes(content[:end]), "damaged.npz")
    with read_or_refused():
        samples = opened(path)
        inputs(samples)
        samples.reference()
