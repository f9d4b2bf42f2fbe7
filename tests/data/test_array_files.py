"""Reading one array from a file, for `octavo explain`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.helpers.models import conv_relu, mlp, random
from tests.helpers.sample_data import VALUES, refusal

from octavo.data.array_files import read_tensor
from octavo.errors import DataError, ModelError


def test_a_single_array_needs_no_name(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", VALUES.astype(np.float64))
    np.savez(tmp_path / "one.npz", w=VALUES)
    for name in ("one.npy", "one.npz"):
        array = read_tensor(tmp_path / name, None)
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, VALUES)


def test_one_of_several_arrays_is_selected_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", v=VALUES + 1, w=VALUES)
    np.testing.assert_array_equal(read_tensor(tmp_path / "two.npz", "w"), VALUES)
    for name in (None, "x", "W"):
        with pytest.raises(DataError, match=r"two\.npz needs `tensor` .*: 'v', 'w'"):
            read_tensor(tmp_path / "two.npz", name)


def test_a_weight_of_a_model_is_selected_by_name(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(mlp().SerializeToString())
    np.testing.assert_array_equal(read_tensor(path, "w2"), random(10, 24))
    with pytest.raises(DataError, match="'w1', 'b1', 'w2', 'b2'"):
        read_tensor(path, None)


def test_float32_overflow_gives_infinity(tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", np.array([1e300, 1.0]))
    np.testing.assert_array_equal(read_tensor(tmp_path / "large.npy", None), [np.inf, 1])


@pytest.mark.parametrize(
    ("array", "part"),
    [
        (np.array(["a"]), "<U1"),
        (np.array([1j]), "complex128"),
        (np.zeros(2, [("a", "f4")]), "'a'"),
        (np.array([None]), "not a readable"),
    ],
)
def test_non_numeric_arrays_are_refused(array: np.ndarray, part: str, tmp_path: Path) -> None:
    np.save(tmp_path / "odd.npy", array, allow_pickle=True)
    refusal(lambda: read_tensor(tmp_path / "odd.npy", None), DataError, "odd.npy", part)


@pytest.mark.parametrize(
    ("name", "content"),
    [("none.npy", None), ("none.npz", None), ("bad.npy", b"text"), ("bad.npz", b"PK\x03\x04"), ("empty.npy", b"")],
)
def test_a_file_that_cannot_be_read_is_named(name: str, content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    refusal(lambda: read_tensor(tmp_path / name, None), DataError, name)


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(conv_relu().SerializeToString()[:-100])
    with pytest.raises(ModelError, match=r"model\.onnx"):
        read_tensor(path, "w1")
