"""Operators on tensors that are large enough to be shared out: NumPy's result on any number of threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.export.qdq import Qdq

from octavo.affine import GRIDS, QuantParams, dequantize, quantize
from octavo.engines.native import NativeSession

SHAPE = (5, 300, 70)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2), (2, 1, 0)])
def test_movers_of_integers(dtype: str, order: tuple[int, ...], threads: int, tmp_path: Path) -> None:
    params = QuantParams(GRIDS[dtype], np.float32(0.05), np.int32(3))
    model = Qdq()
    moved = model.node("Transpose", [model.quantized(model.given("x", SHAPE), params)], "t", perm=list(order))
    real = model.dequantized(moved, params)
    cut = [model.constant(name, np.array([each])) for name, each in (("s", 40), ("e", 0), ("a", 1), ("p", -1))]
    joined = model.node("Concat", [real, model.node("Slice", [real, *cut], "c")], "j", axis=1)
    model.result(joined, "float32")
    x = np.random.default_rng(0).normal(size=SHAPE, scale=4).astype(np.float32)
    expected = dequantize(quantize(x, params), params).transpose(order)
    found = NativeSession(model.bundle(tmp_path / "m.oct"), threads=threads)(x)
    np.testing.assert_array_equal(found, np.concatenate([expected, expected[:, 40:0:-1]], axis=1))
