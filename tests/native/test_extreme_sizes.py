"""Bundles with valid tables and extreme numbers."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from tests.helpers.qdq import Qdq, random_params, random_weights

import octavo
from octavo.compiler import compile_model
from octavo.compiler.bundle import with_checksum
from octavo.errors import ModelError

# Channels, and kernel height and width whose product equals it modulo 2^64.
CHANNELS, HEIGHT, WIDTH, WRAPPED = 613981397, 4924781, 3483483, 2795


def test_kernel_size_overflow_is_refused(tmp_path: Path) -> None:
    """With int64 overflow the weights would seem to match, and im2col would write out of bounds."""
    assert CHANNELS * HEIGHT * WIDTH % 2**64 == WRAPPED
    rng, params = np.random.default_rng(0), random_params(np.random.default_rng(0))
    w, w_params = random_weights(rng, (1, WRAPPED, 1, 1), 0)
    model = Qdq()
    inputs = [model.source("x", (1, WRAPPED, 1, 1), params), model.weights("w", w, w_params)]
    model.result(model.quantized(model.node("Conv", inputs, "y"), params), params.grid.dtype)
    content = compile_model(ir.from_proto(model.proto()))
    # The input's shape in either layout, and its size; the attributes: group, kernel, strides, pads, dilations.
    content = content.replace(struct.pack("<4I", 1, WRAPPED, 1, 1), struct.pack("<4I", 1, CHANNELS, 1, 1))
    content = content.replace(struct.pack("<4I", 1, 1, 1, WRAPPED), struct.pack("<4I", 1, 1, 1, CHANNELS))
    content = content.replace(struct.pack("<QQ", 0, WRAPPED), struct.pack("<QQ", 0, CHANNELS))
    small = struct.pack("<11q", 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1)
    assert small in content
    large = struct.pack("<11q", 1, HEIGHT, WIDTH, 1, 1, 0, 0, HEIGHT - 1, WIDTH - 1, 1, 1)
    (tmp_path / "m.oct").write_bytes(with_checksum(content.replace(small, large)))
    with pytest.raises(ModelError, match=r"\(Conv\): (window does not match the shapes|kernel is too large)"):
        octavo.load(tmp_path / "m.oct")


def test_window_with_excessive_work_is_refused(tmp_path: Path) -> None:
    """Padding adds work without adding bytes to the bundle."""
    model, params = Qdq(), random_params(np.random.default_rng(0))
    pads = [2**14] * 4
    x = model.source("x", (1, 1, 2**14, 2**14), params)
    y = model.node("MaxPool", [x], "y", kernel_shape=[2**15, 2**15], pads=pads)
    model.result(model.quantized(y, params), params.grid.dtype)
    (tmp_path / "m.oct").write_bytes(compile_model(ir.from_proto(model.proto())))
    with pytest.raises(ModelError, match=r"\(MaxPool\): window does not match the shapes"):
        octavo.load(tmp_path / "m.oct")
