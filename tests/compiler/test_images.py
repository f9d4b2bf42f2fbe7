"""Transposed convolutions and resizing, against NumPy and ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.compiler.test_transformers import agrees, kinds
from tests.helpers.instruction_sets import each_isa
from tests.helpers.qdq import Qdq, random_bias, random_integers, random_params, random_weights

from octavo import affine
from octavo.affine import QuantParams

many = pytest.mark.parametrize("seed", range(10))
few = pytest.mark.parametrize("seed", range(3))


def moves(rng: np.random.Generator, spatial: int, kernel: list[int]) -> dict[str, Any]:
    """Valid combinations of strides, dilations, pads and output paddings."""
    strides, dilations = rng.integers(1, 4, spatial).tolist(), rng.integers(1, 3, spatial).tolist()
    pads = [int(rng.integers(0, k)) for k in kernel * 2]
    output_padding = [int(rng.integers(0, max(s, d))) for s, d in zip(strides, dilations, strict=True)]
    return {"strides": strides, "dilations": dilations, "pads": pads, "output_padding": output_padding}


def scattered(x: np.ndarray, w: np.ndarray, group: int, moves: dict[str, Any]) -> np.ndarray:
    """A transposed convolution by its definition, in int64 or float64."""
    spatial = x.ndim - 2
    depth, channels = w.shape[0] // group, w.shape[1]
    full_shape = [
        stride * (size - 1) + added + (k - 1) * dilation + 1
        for size, k, stride, dilation, added in zip(
            x.shape[2:], w.shape[2:], moves["strides"], moves["dilations"], moves["output_padding"], strict=True
        )
    ]
    sums = np.zeros((x.shape[0], group * channels, *full_shape), x.dtype)
    for at in np.ndindex(*w.shape[2:]):
        window = tuple(
            slice(i * dilation, i * dilation + stride * (size - 1) + 1, stride)
            for i, dilation, stride, size in zip(at, moves["dilations"], moves["strides"], x.shape[2:], strict=True)
        )
        for g in range(group):
            operands = x[:, g * depth : (g + 1) * depth], w[(slice(g * depth, (g + 1) * depth), slice(None), *at)]
            part = np.einsum("nc...,co->no...", *operands)
            sums[(slice(None), slice(g * channels, (g + 1) * channels), *window)] += part
    begin, end = moves["pads"][:spatial], moves["pads"][spatial:]
    return sums[(..., *(slice(a, size - b) for a, b, size in zip(begin, end, full_shape, strict=True)))]


@each_isa
@many
@pytest.mark.parametrize("spatial", [1, 2])
def test_conv_transpose(spatial: int, seed: int, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTAVO_ISA", isa)
    rng = np.random.default_rng([seed, spatial])
    group, kernel = int(rng.choice([1, 1, 2])), rng.integers(1, 4, spatial).tolist()
    depth, channels = group * int(rng.integers(1, 9)), int(rng.integers(1, 6))
    attributes = moves(rng, spatial, kernel)
    x_params, out = random_params(rng), random_params(rng, 0.5)
    x = random_integers(rng, (2, depth, *rng.integers(3, 7, spatial).tolist()), x_params)
    w, w_params = random_weights(rng, (depth, channels, *kernel), 1)
    weight_params = QuantParams(
        w_params.grid,
        np.tile(np.broadcast_to(w_params.scale, (channels,)), group),
        np.zeros(group * channels, np.int32),
        0,
    )
    bias, bias_params = random_bias(rng, group * channels, x_params, weight_params)
    model = Qdq()
    inputs = [model.source("x", x.shape, x_params), model.weights("w", w, w_params)]
    inputs += [model.weights("b", bias, bias_params)] * (seed % 2)
    y = model.node("ConvTranspose", inputs, "y", group=group, kernel_shape=kernel, **attributes)
    model.result(model.quantized(y, out), out.grid.dtype)
    differences = x.astype(np.int64) - int(x_params.zero_point)
    shape = (-1, *[1] * spatial)
    sums = scattered(differences, w.astype(np.int64), group, attributes) + bias.reshape(shape) * (seed % 2)
    multiplier = affine.requantization_multiplier(x_params.scale, weight_params.scale, out.scale).reshape(shape)
    expected = affine.requantize(sums.astype(np.int32), multiplier, int(out.zero_point), out.grid)
    np.testing.assert_array_equal(model.run(tmp_path, x), expected)
    assert kinds(model) == {"ConvTranspose": 1}


@many
@pytest.mark.parametrize("spatial", [1, 2])
def test_conv_transpose_of_floats(spatial: int, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, spatial])
    group, kernel = int(rng.choice([1, 2])), rng.integers(1, 4, spatial).tolist()
    x = rng.normal(size=(2, 2 * group, *rng.integers(3, 7, spatial).tolist())).astype(np.float32)
    w = rng.normal(size=(2 * group, 3, *kernel)).astype(np.float32)
    how = moves(rng, spatial, kernel)
    model = Qdq()
    inputs = [model.input("x", x.shape), model.constant("w", w), model.constant("b", np.ones(3 * group, np.float32))]
    model.result(model.node("ConvTranspose", inputs, "y", group=group, kernel_shape=kernel, **how), "float32")
    expected = scattered(x.astype(np.float64), w, group, how) + 1
    np.testing.assert_allclose(model.run(tmp_path, x), expected, 1e-5, 1e-5)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
def test_conv_transpose_to_a_size(auto_pad: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(1, 2, 5, 4)).astype(np.float32), rng.normal(size=(2, 3, 3, 4)).astype(np.float32)
    model = Qdq()
    inputs = [model.input("x", x.shape), model.constant("w", w)]
    model.result(model.node("ConvTranspose", inputs, "y", strides=[2, 3], auto_pad=auto_pad), "float32")
    agrees(model, tmp_path, x, rtol=1e-5, atol=1e-5)


COORDINATES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")


@few
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("coordinates", COORDINATES)
def test_resize(coordinates: str, mode: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1, 2, 5, 6)).astype(np.float32)
    model = Qdq()
    if seed:
        scales = model.constant("scales", np.array([1, 1, *rng.uniform(0.5, 3, 2)], np.float32))
        inputs = [model.input("x", x.shape), "", scales]
    else:
        inputs = [model.input("x", x.shape), "", "", model.constant("sizes", np.array([1, 2, 9, 4]))]
    nearest = {"nearest_mode": str(rng.choice(["floor", "ceil", "round_prefer_floor"]))} if mode == "nearest" else {}
    y = model.node("Resize", inputs, "y", mode=mode, coordinate_transformation_mode=coordinates, **nearest)
    model.result(y, "float32")
    agrees(model, tmp_path, x, rtol=1e-4, atol=1e-4)


@few
def test_nearest_resize_keeps_the_grid(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    params = random_params(rng)
    x = random_integers(rng, (1, 3, 4, 5), params)
    model = Qdq()
    scales = model.constant("scales", np.array([1, 1, 2, 2], np.float32))
    y = model.node("Resize", [model.source("x", x.shape, params), "", scales], "y", mode="nearest")
    model.result(model.quantized(y, params), params.grid.dtype)
    np.testing.assert_array_equal(model.run(tmp_path, x), x.repeat(2, axis=2).repeat(2, axis=3))
    assert kinds(model) == {"Gather": 2}
