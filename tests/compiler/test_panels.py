"""Packing of weights: the layout of panels, and that each weight is packed once."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from tests.helpers.qdq import Qdq, random_params, random_weights

from octavo.affine import UINT8, QuantParams
from octavo.compiler import compile_model, panels
from octavo.compiler.panels import COLUMNS, DEPTH, WeightPacker, pack, pad_columns

GRID = QuantParams(UINT8, np.float32(0.05), np.int32(120))


def test_panels_hold_groups_of_k_for_each_column() -> None:
    weights = np.random.default_rng(0).integers(-128, 128, (2, 11, 19), dtype=np.int8)
    packed = pack(weights).reshape(2, 2, 4, COLUMNS, DEPTH)
    for group, k, n in np.ndindex(weights.shape):
        assert packed[group, n // COLUMNS, k // DEPTH, n % COLUMNS, k % DEPTH] == weights[group, k, n]
    assert np.abs(packed.astype(int)).sum() == np.abs(weights.astype(int)).sum()


def test_columns_are_padded_to_whole_panels() -> None:
    padded = pad_columns(np.arange(6, dtype=np.int32), 2).reshape(2, COLUMNS)
    assert padded[:, :3].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert not padded[:, 3:].any()


def test_equal_weights_share_one_packed_array() -> None:
    weights, packer = np.random.default_rng(1).integers(-128, 128, (1, 9, 17), dtype=np.int8), WeightPacker()
    first = packer.pack(weights)
    assert packer.pack(weights.copy()) is first
    np.testing.assert_array_equal(first, pack(weights))
    square = weights[:, :9, :9]
    for view in (square, square.transpose(0, 2, 1), np.ascontiguousarray(square), weights[:, ::-1], weights + 1):
        np.testing.assert_array_equal(packer.pack(view), pack(view))


def test_a_model_with_open_sizes_packs_each_weight_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, model, calls = np.random.default_rng(2), Qdq(), list[tuple[int, ...]]()
    monkeypatch.setattr(panels, "pack", lambda weights: calls.append(weights.shape) or pack(weights))
    value = model.source("x", ("batch", 4, 6, 6), GRID)
    for layer in range(3):
        weights, params = random_weights(rng, (4, 4, 3, 3), 0)
        value = model.node("Conv", [value, model.weights(f"w{layer}", weights, params)], f"y{layer}", pads=[1] * 4)
        grid = random_params(rng, 0.5)
        quantized = model.quantized(value, grid)
        value = model.dequantized(quantized, grid)
    model.result(quantized, "uint8")
    compile_model(ir.from_proto(model.proto()))
    assert len(calls) == 3
