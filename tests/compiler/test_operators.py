"""Every integer operator of the native runtime equals octavo.affine bit for bit on random shapes and grids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers.instruction_sets import each_isa
from tests.helpers.qdq import Qdq, random_bias, random_integers, random_params, random_weights

from octavo import affine
from octavo.affine import Grid, QuantParams

many = pytest.mark.parametrize("seed", range(12))
few = pytest.mark.parametrize("seed", range(4))


def window(rng: np.random.Generator, spatial: int, most: int = 3) -> tuple[list[int], dict[str, Any]]:
    """A kernel shape with valid strides, pads and dilations."""
    kernel = rng.integers(1, most + 1, spatial).tolist()
    pads = [int(rng.integers(0, k)) for k in kernel * 2]
    return kernel, {
        "strides": rng.integers(1, 3, spatial).tolist(),
        "pads": pads,
        "dilations": rng.integers(1, 3, spatial).tolist(),
    }


def image(rng: np.random.Generator, channels: int, spatial: int) -> tuple[int, ...]:
    return (int(rng.integers(1, 3)), channels, *rng.integers(6, 14, spatial).tolist())


def relu_grid(params: QuantParams) -> QuantParams:
    """The part of the grid that is left after a Relu."""
    bounds = Grid(params.grid.dtype, min(int(params.zero_point), params.grid.qmax - 1), params.grid.qmax)
    return QuantParams(bounds, params.scale, params.zero_point)


@each_isa
@many
@pytest.mark.parametrize("spatial", [1, 2])
@pytest.mark.parametrize("kind", ["plain", "grouped", "depthwise"])
def test_conv(kind: str, spatial: int, seed: int, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTAVO_ISA", isa)
    rng = np.random.default_rng([seed, spatial, len(kind)])
    channels = int(rng.choice([1, 2, 3, 5, 16]))
    group, group_channels = {"plain": (1, channels), "grouped": (3, channels + 1), "depthwise": (channels + 1, 1)}[kind]
    out_channels = group * int(rng.choice([1, 2, 7, 17]))
    x_params, out_params = random_params(rng), random_params(rng, 0.5)
    kernel, moves = window(rng, spatial)
    x = random_integers(rng, image(rng, group * group_channels, spatial), x_params)
    w, w_params = random_weights(rng, (out_channels, group_channels, *kernel), 0)
    bias, bias_params = random_bias(rng, out_channels, x_params, w_params)
    fused = bool(rng.integers(2)) and int(out_params.zero_point) < out_params.grid.qmax
    model = Qdq()
    inputs = [model.source("x", x.shape, x_params), model.weights("w", w, w_params)]
    biased = bool(rng.integers(2))
    if biased:
        inputs.append(model.weights("b", bias, bias_params))
    y = model.node("Conv", inputs, "y", group=group, kernel_shape=kernel, **moves)
    y = model.node("Relu", [y], "r") if fused else y
    model.result(model.quantized(y, out_params), out_params.grid.dtype)
    operands = (x, x_params, w, w_params, relu_grid(out_params) if fused else out_params, bias if biased else None)
    np.testing.assert_array_equal(model.run(tmp_path, x), affine.conv(*operands, group=group, **moves))


@each_isa
@many
@pytest.mark.parametrize("op", ["Gemm", "GemmT", "MatMul"])
def test_products(op: str, seed: int, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTAVO_ISA", isa)
    rng = np.random.default_rng([seed, len(op)])
    m, k, n = (int(size) for size in rng.choice([1, 2, 3, 7, 8, 16, 17, 31, 64, 129], 3))
    leading = () if op != "MatMul" else tuple(rng.integers(1, 4, int(rng.integers(0, 3))).tolist())
    x_params, out_params = random_params(rng), random_params(rng, 0.5)
    x = random_integers(rng, (*leading, m, k), x_params)
    axis = 0 if op == "GemmT" else 1
    w, w_params = random_weights(rng, (n, k) if op == "GemmT" else (k, n), axis)
    bias, bias_params = random_bias(rng, n, x_params, w_params)
    model = Qdq()
    inputs = [model.source("x", x.shape, x_params), model.weights("w", w, w_params)]
    if op == "MatMul":
        y, expected = model.node("MatMul", inputs, "y"), affine.matmul(x, x_params, w, w_params, out_params)
    else:
        inputs.append(model.weights("b", bias, bias_params))
        y = model.node("Gemm", inputs, "y", transB=int(axis == 0))
        expected = affine.gemm(x, x_params, w, w_params, out_params, bias, trans_b=axis == 0)
    model.result(model.quantized(y, out_params), out_params.grid.dtype)
    np.testing.assert_array_equal(model.run(tmp_path, x), expected)


@few
def test_product_to_float(seed: int, tmp_path: Path) -> None:
    """float32(accumulator) times the product of the scales; a float bias is added unchanged."""
    rng = np.random.default_rng(seed)
    x_params = random_params(rng)
    x = random_integers(rng, (3, 20), x_params)
    w, w_params = random_weights(rng, (20, 9), 1)
    bias = rng.normal(size=9).astype(np.float32)
    model = Qdq()
    inputs = [model.source("x", x.shape, x_params), model.weights("w", w, w_params), model.constant("b", bias)]
    model.result(model.node("Gemm", inputs, "y"), "float32")
    scale = np.multiply(x_params.scale, np.broadcast_to(w_params.scale, (9,)), dtype=np.float32)
    expected = affine.matmul_integer(x, x_params, w, w_params).astype(np.float32) * scale + bias
    np.testing.assert_array_equal(model.run(tmp_path, x), expected)


@each_isa
@many
@pytest.mark.parametrize("op", ["Add", "Mul"])
def test_elementwise_operators(op: str, seed: int, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTAVO_ISA", isa)
    rng = np.random.default_rng([seed, len(op), ord(op[0])])
    shape = tuple(rng.integers(1, 20, int(rng.integers(1, 5))).tolist())
    stretched = tuple(dim if rng.integers(2) else 1 for dim in shape)[int(rng.integers(0, len(shape))) :]
    shapes = [shape, (shape, stretched)[seed % 2]]
    rng.shuffle(shapes)
    params = [random_params(rng), random_params(rng)]
    out_params = random_params(rng, 0.1)
    x = [random_integers(rng, tuple(s), p) for s, p in zip(shapes, params, strict=True)]
    model = Qdq()
    y = model.node(op, [model.source(f"x{i}", x[i].shape, params[i]) for i in range(2)], "y")
    model.result(model.quantized(y, out_params), out_params.grid.dtype)
    reference = {"Add": affine.add, "Mul": affine.mul}[op]
    expected = reference(x[0], params[0], x[1], params[1], out_params)
    np.testing.assert_array_equal(model.run(tmp_path, *x), expected)


@many
@pytest.mark.parametrize("spatial", [1, 2])
def test_max_pool(spatial: int, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, spatial])
    params = random_params(rng)
    out_params = params if rng.integers(2) else random_params(rng)
    kernel, moves = window(rng, spatial)
    x = random_integers(rng, image(rng, int(rng.choice([3, 64, 150])), spatial), params)
    model = Qdq()
    y = model.node("MaxPool", [model.source("x", x.shape, params)], "y", kernel_shape=kernel, **moves)
    model.result(model.quantized(y, out_params), out_params.grid.dtype)
    np.testing.assert_array_equal(model.run(tmp_path, x), affine.max_pool(x, params, out_params, kernel, **moves))


@many
@pytest.mark.parametrize("spatial", [1, 2])
def test_average_pool(spatial: int, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, spatial])
    params, out_params = random_params(rng), random_params(rng)
    kernel, moves = window(rng, spatial)
    del moves["dilations"]  # the attribute is of a later opset than this model's
    include = int(rng.integers(2))
    x = random_integers(rng, image(rng, 3, spatial), params)
    model = Qdq()
    source = model.source("x", x.shape, params)
    y = model.node("AveragePool", [source], "y", kernel_shape=kernel, count_include_pad=include, **moves)
    model.result(model.quantized(y, out_params), out_params.grid.dtype)
    expected = affine.average_pool(x, params, out_params, kernel, count_include_pad=bool(include), **moves)
    np.testing.assert_array_equal(model.run(tmp_path, x), expected)


@few
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_global_average_pool(spatial: int, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, spatial])
    params, out_params = random_params(rng), random_params(rng)
    x = random_integers(rng, image(rng, 5, spatial), params)
    model = Qdq()
    y = model.node("GlobalAveragePool", [model.source("x", x.shape, params)], "y")
    model.result(model.quantized(y, out_params), out_params.grid.dtype)
    np.testing.assert_array_equal(model.run(tmp_path, x), affine.global_average_pool(x, params, out_params))


@few
def test_global_average_pool_of_a_large_image(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    params, out_params = random_params(rng), random_params(rng)
    x = random_integers(rng, (1, 2100, 23, 17), params)
    x[:, ::2] = rng.choice([params.grid.qmin, params.grid.qmax])
    model = Qdq()
    y = model.node("GlobalAveragePool", [model.source("x", x.shape, params)], "y")
    model.result(model.quantized(y, out_params), out_params.grid.dtype)
    np.testing.assert_array_equal(model.run(tmp_path, x), affine.global_average_pool(x, params, out_params))


FUNCTIONS: dict[str, tuple[dict[str, float], Any]] = {
    "Relu": ({}, lambda x: np.maximum(x, 0)),
    "Sigmoid": ({}, lambda x: 1 / (1 + np.exp(-x))),
    "Tanh": ({}, np.tanh),
    "HardSigmoid": ({"alpha": 0.25, "beta": 0.5}, lambda x: np.clip(0.25 * x + 0.5, 0, 1)),
    "HardSwish": ({}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    "LeakyRelu": ({"alpha": 0.125}, lambda x: np.where(x < 0, 0.125 * x, x)),
    "Elu": ({"alpha": 1.5}, lambda x: np.where(x < 0, 1.5 * np.expm1(np.minimum(x, 0)), x)),
}


@few
@pytest.mark.parametrize("op", FUNCTIONS)
def test_functions_are_tables(op: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    attributes, function = FUNCTIONS[op]
    params, out_params = random_params(rng), random_params(rng, 0.02)
    x = random_integers(rng, (2, 300), params)
    model = Qdq()
    y = model.node(op, [model.source("x", x.shape, params)], "y", **attributes)
    model.result(model.quantized(y, out_params), out_params.grid.dtype)
    expected = affine.apply_table(x, affine.table(function, params, out_params), params.grid)
    np.testing.assert_array_equal(model.run(tmp_path, x), expected)


@few
def test_clip_of_a_narrower_grid(seed: int, tmp_path: Path) -> None:
    """The output of a Clip has the bounds of the grid."""
    rng = np.random.default_rng(seed)
    narrow = Grid("uint8", 0, 15)
    params = QuantParams(narrow, np.float32(0.25), np.int32(7))
    low, high = affine.real_range(params)
    x = rng.normal(size=(3, 50), scale=3).astype(np.float32)
    model = Qdq()
    ends = [model.constant("low", low), model.constant("high", high)]
    y = model.node("Clip", [model.input("x", x.shape), *ends], "y")
    model.result(model.quantized(y, params), "uint8")
    np.testing.assert_array_equal(model.run(tmp_path, x), affine.quantize(x, params))


@few
def test_concat_onto_one_grid(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    out_params = random_params(rng)
    params = [random_params(rng), out_params, random_params(rng)]
    axis = int(rng.integers(0, 3))
    shapes = [tuple(2 + i if a == axis else 3 for a in range(3)) for i in range(3)]
    x = [random_integers(rng, s, p) for s, p in zip(shapes, params, strict=True)]
    model = Qdq()
    parts = [model.source(f"x{i}", x[i].shape, params[i]) for i in range(3)]
    model.result(model.quantized(model.node("Concat", parts, "y", axis=axis), out_params), out_params.grid.dtype)
    np.testing.assert_array_equal(model.run(tmp_path, *x), affine.concat(x, params, out_params, axis=axis))


@few
def test_movers_keep_integers(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    params = random_params(rng)
    x = random_integers(rng, (2, 3, 4, 5), params)
    order = rng.permutation(4).tolist()
    model = Qdq()
    y = model.node("Transpose", [model.source("x", x.shape, params)], "t", perm=order)
    bounds = {"starts": [1, -1], "ends": [2**31 - 1, -(2**31)], "axes": [2, 3], "steps": [2, -1]}
    y = model.node("Slice", [y, *(model.constant(name, np.array(values)) for name, values in bounds.items())], "s")
    pads = np.array([0, 1, 0, 2, 1, 0, 0, 1])
    y = model.node("Pad", [y, model.constant("pads", pads)], "p")
    y = model.node("Flatten", [y], "f", axis=2)
    y = model.node("Unsqueeze", [y, model.constant("axes_u", np.array([0]))], "u")
    y = model.node("Squeeze", [y, model.constant("axes_q", np.array([0]))], "v")
    model.result(model.quantized(y, params), params.grid.dtype)
    moved = x.transpose(order)[:, :, 1::2, ::-1]
    zero = int(params.zero_point)
    padded = np.pad(moved, [(0, 1), (1, 0), (0, 0), (2, 1)], constant_values=zero)
    expected = padded.reshape(padded.shape[0] * padded.shape[1], -1)
    np.testing.assert_array_equal(model.run(tmp_path, x), expected)


@each_isa
@few
def test_quantize_and_dequantize(seed: int, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTAVO_ISA", isa)
    rng = np.random.default_rng(seed)
    params = random_params(rng)
    x = np.concatenate([rng.normal(size=200, scale=5), [np.inf, -np.inf, np.nan]]).astype(np.float32)
    model = Qdq()
    q = model.quantized(model.input("x", x.shape), params)
    model.result(model.dequantized(q, params), "float32")
    np.testing.assert_array_equal(model.run(tmp_path, x), affine.fake_quantize(x, params))
