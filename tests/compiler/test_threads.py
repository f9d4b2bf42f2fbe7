"""Operators on tensors large enough for several threads: equal to NumPy on any number of threads."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.helpers.qdq import Qdq

from octavo.affine import GRIDS, INT8, UINT8, QuantParams, dequantize, quantize
from octavo.engines.native import NativeSession

SHAPE = (5, 300, 70)


def run_repeatedly(session: NativeSession, x: NDArray[Any]) -> Any:
    """The outputs after enough runs that all threads are awake, each run on new memory."""
    until = time.perf_counter() + 0.01
    while time.perf_counter() < until:
        session(-x)
        outputs = session(x)
    return outputs


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2), (2, 1, 0)])
def test_movers_of_integers(dtype: str, order: tuple[int, ...], threads: int, tmp_path: Path) -> None:
    params = QuantParams(GRIDS[dtype], np.float32(0.05), np.int32(3))
    model = Qdq()
    moved = model.node("Transpose", [model.quantized(model.input("x", SHAPE), params)], "t", perm=list(order))
    real = model.dequantized(moved, params)
    bounds = [model.constant(name, np.array([value])) for name, value in (("s", 40), ("e", 0), ("a", 1), ("p", -1))]
    joined = model.node("Concat", [real, model.node("Slice", [real, *bounds], "c")], "j", axis=1)
    model.result(joined, "float32")
    x = np.random.default_rng(0).normal(size=SHAPE, scale=4).astype(np.float32)
    expected = dequantize(quantize(x, params), params).transpose(order)
    actual = run_repeatedly(NativeSession(model.bundle(tmp_path / "m.oct"), threads=threads), x)
    np.testing.assert_array_equal(actual, np.concatenate([expected, expected[:, 40:0:-1]], axis=1))


def images(model: Qdq, height: int, width: int) -> None:
    """Convolutions of every kind, and pools, on two images."""
    rng = np.random.default_rng(0)
    params = QuantParams(UINT8, np.float32(0.05), np.int32(3))
    x = model.dequantized(model.quantized(model.input("x", (2, 48, height, width)), params), params)

    def conv(name: str, source: str, outs: int, ins: int, **attributes: Any) -> str:
        integers = rng.integers(-127, 128, (outs, ins, 3, 3)).astype(np.int8)
        weights = model.weights(f"w_{name}", integers, QuantParams(INT8, np.float32(0.005), np.int32(0)))
        product = model.node("Conv", [source, weights], name, pads=[1, 1, 1, 1], **attributes)
        return model.dequantized(model.quantized(product, params), params)

    plain = conv("plain", x, 160, 48)
    for name in (
        plain,
        conv("groups", x, 96, 8, group=6),
        conv("deep", x, 48, 1, group=48, strides=[2, 2]),
        model.node("Add", [conv("joined", x, 48, 48), x], "added"),
        model.node("MaxPool", [plain], "largest", kernel_shape=[3, 3], strides=[2, 2]),
        model.node("AveragePool", [plain], "mean", kernel_shape=[2, 2]),
        model.node("GlobalAveragePool", [plain], "means"),
    ):
        result = model.dequantized(model.quantized(model.node("Relu", [name], f"{name}_r"), params), params)
        model.result(result, "float32")


def rows(model: Qdq, count: int, length: int) -> None:
    """Operators on rows or elements, in float32 and on grids."""
    rng = np.random.default_rng(0)
    params = QuantParams(UINT8, np.float32(0.05), np.int32(100))
    x = model.input("x", (3, count, length))
    scale = model.constant("scale", rng.normal(size=length).astype(np.float32))
    grid = model.dequantized(model.quantized(x, params), params)
    row = model.weights("row", rng.integers(0, 256, length).astype(np.uint8), params)
    integers = rng.integers(-127, 128, (length, 300)).astype(np.int8)
    weights = model.weights("w", integers, QuantParams(INT8, np.float32(0.002), np.int32(0)))
    product = model.node("MatMul", [grid, weights], "product")
    turned = model.node("Transpose", [grid], "turned", perm=[0, 2, 1])
    floats = model.constant("floats", rng.normal(size=(length, 20)).astype(np.float32))
    for name in (
        model.node("LayerNormalization", [x, scale, scale], "norm"),
        model.node("Softmax", [x], "softmax"),
        model.node("Sigmoid", [x], "sigmoid"),
        model.node("Mul", [x, scale], "scaled"),
        model.node("Add", [x, x], "double"),
        model.node("MatMul", [x, floats], "of_floats"),
    ):
        model.result(name, "float32")
        model.result(model.dequantized(model.quantized(name, params), params), "float32")
    for name in (
        product,
        model.node("Sigmoid", [product], "gate"),
        model.node("Mul", [grid, row], "by_row"),
        model.node("MatMul", [grid, turned], "of_both"),
    ):
        model.result(model.dequantized(model.quantized(name, params), params), "float32")


@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize(
    ("build", "shape"), [(images, (31, 17)), (images, (7, 9)), (rows, (61, 1003)), (rows, (1, 9001))]
)
def test_threads_change_no_bit(build: Any, shape: tuple[int, int], threads: int, tmp_path: Path) -> None:
    model = Qdq()
    build(model, *shape)
    path = model.bundle(tmp_path / "m.oct")
    single, multiple = NativeSession(path), NativeSession(path, threads=threads)
    dims = [dim for dim in single.inputs[0].shape if isinstance(dim, int)]
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=dims, scale=4).astype(np.float32)
        for actual, expected in zip(run_repeatedly(multiple, x), single(x), strict=True):
            np.testing.assert_array_equal(actual, expected)
