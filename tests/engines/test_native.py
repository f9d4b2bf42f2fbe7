"""Calls of a bundle from Python: arrays that are read in place, and arrays that are copied."""

from __future__ import annotations

import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from tests.helpers.qdq import Qdq

import octavo
from octavo.compiler import compile_model
from octavo.engines.native import NativeSession
from octavo.errors import DataError

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> NativeSession:
    """A session with the outputs x + x and x + y."""
    model = Qdq()
    x, y = model.input("x", (2, 3)), model.input("y", (2, 3))
    model.result(model.node("Add", [x, x], "twice"), "float32")
    model.result(model.node("Add", [x, y], "sum"), "float32")
    return octavo.load(model.bundle(tmp_path_factory.mktemp("native") / "m.oct"))


@pytest.fixture
def x() -> Floats:
    return np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def y() -> Floats:
    return np.ones((2, 3), np.float32)


def read_only(array: Floats) -> Floats:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "converted",
    [
        lambda x: x,
        read_only,
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x.astype(np.float64),
        lambda x: x.astype(np.float16),
        lambda x: x.astype(">f4"),
        np.ma.MaskedArray,
        lambda x: memoryview(x),
    ],
)
def test_any_memory_layout_gives_the_same_outputs(
    session: NativeSession, x: Floats, y: Floats, converted: Callable[[Floats], Any]
) -> None:
    expected = [2 * x, x + y]
    for _ in range(2):
        for result, values in zip(session(converted(x.copy()), y), expected, strict=True):
            assert type(result) is np.ndarray
            assert result.dtype == np.float32
            np.testing.assert_array_equal(result, values)
    result = session.run({"y": y, "x": converted(x.copy())})
    assert list(result) == ["twice", "sum"]
    np.testing.assert_array_equal(result["sum"], expected[1])


@pytest.mark.parametrize("mapping", [dict, OrderedDict, MappingProxyType])
def test_any_mapping_is_accepted_as_inputs(
    session: NativeSession, x: Floats, y: Floats, mapping: Callable[[Any], Any]
) -> None:
    np.testing.assert_array_equal(session.run(mapping({"x": x, "y": y}))["sum"], x + y)


def test_results_are_new_arrays(session: NativeSession, x: Floats, y: Floats) -> None:
    first, second = session(x, y)[1], session(2 * x, y)[1]
    assert first.flags.owndata
    assert first.flags.writeable
    np.testing.assert_array_equal(first, x + y)
    np.testing.assert_array_equal(second, 2 * x + y)


def test_calls_keep_no_reference_to_their_arrays(session: NativeSession, x: Floats, y: Floats) -> None:
    feeds = {"x": x, "y": y}
    before = sys.getrefcount(x), sys.getrefcount(y)
    for _ in range(100):
        results = session(x, y)
        session.run(feeds)
        with pytest.raises(DataError):
            session(x, y.astype(np.int32))
        with pytest.raises(DataError):
            session.run({"x": x, "z": y})
    assert (sys.getrefcount(x), sys.getrefcount(y)) == before
    reference = weakref.ref(results[0])
    del results
    assert reference() is None


@pytest.mark.parametrize(
    ("feeds", "fault"),
    [
        ({}, "needs the input 'x'"),
        ({"x": 0, "y": 0, "z": 0}, "takes no input 'z'"),
        ({"x": np.zeros((2, 3), np.float32), "y": 0}, r"'y' is of shape \(\)"),
        ({"x": np.zeros((2, 3), np.float32), "y": np.zeros((3, 2), np.float32)}, r"'y' is of shape \(3, 2\)"),
        ({"x": np.zeros((2, 3), np.float32), "y": np.zeros((2, 3), np.int32)}, "of int32; the model takes float32"),
    ],
)
def test_invalid_inputs_are_refused(session: NativeSession, feeds: dict[str, Any], fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        session.run(feeds)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64", "bool", "float32"])
def test_every_type_is_supported_as_input_and_output(dtype: str, tmp_path: Path) -> None:
    model = Qdq()
    model.result(model.node("Identity", [model.input("x", (), dtype)], "y"), dtype)
    native = octavo.load(model.bundle(tmp_path / "m.oct"))
    result = native(np.array(1, dtype))
    assert (result.dtype, result.shape, result) == (np.dtype(dtype), (), 1)
    with pytest.raises(DataError):
        native(np.array(1, "uint16"))


def test_a_model_with_many_outputs_returns_all_of_them(x: Floats, tmp_path: Path) -> None:
    model = Qdq()
    source = model.input("x", (2, 3))
    for i in range(12):
        model.result(model.node("Add", [source, model.constant(f"c{i}", np.float32(i))], f"y{i}"), "float32")
    native = octavo.load(model.bundle(tmp_path / "m.oct"))
    for i, output in enumerate(native(x)):
        np.testing.assert_array_equal(output, x + i)
    assert list(native.run({"x": x})) == [f"y{i}" for i in range(12)]


def test_threads_share_a_session_at_several_sizes(tmp_path: Path) -> None:
    model = Qdq()
    model.result(model.node("Relu", [model.input("x", ("length",))], "y"), "float32")
    path = tmp_path / "m.oct"
    path.write_bytes(compile_model(ir.from_proto(model.proto()), dims={"length": (1, 5000)}))
    native, failed_seeds = octavo.load(path), []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(300):
            x = rng.normal(size=rng.choice([7, 4999])).astype(np.float32)
            if not np.array_equal(native(x), np.maximum(x, 0)):
                failed_seeds.append(seed)

    programs = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for program in programs:
        program.start()
    for program in programs:
        program.join()
    assert not failed_seeds
