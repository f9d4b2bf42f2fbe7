"""Operators of transformers against NumPy and ONNX Runtime, and fused operators against their parts."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from numpy.typing import NDArray
from tests.helpers.instruction_sets import each_isa
from tests.helpers.qdq import Qdq, random_bias, random_integers, random_params, random_weights

from octavo import affine
from octavo.affine import UINT8, QuantParams
from octavo.compiler import compile_model, read_bundle
from octavo.engines.native import NativeSession

many = pytest.mark.parametrize("seed", range(8))
few = pytest.mark.parametrize("seed", range(3))
SHARES = QuantParams(UINT8, np.float32(1 / 255), np.int32(0))
erf = np.vectorize(math.erf, otypes=[np.float64])


def kinds(model: Qdq) -> Counter[str]:
    """The operator kinds of the model's bundle."""
    return Counter(operator.kind for operator in read_bundle(compile_model(ir.from_proto(model.proto()))).operators)


def reference(model: Qdq, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
    """The outputs of ONNX Runtime without graph optimizations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.proto().SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {spec.name: array for spec, array in zip(session.get_inputs(), inputs, strict=True)})


def agrees(model: Qdq, folder: Path, *inputs: NDArray[Any], rtol: float = 0.0, atol: float = 0.0) -> None:
    """Assert that the outputs of the native runtime equal those of ONNX Runtime."""
    actual = NativeSession(model.bundle(folder / "model.oct"))(*inputs)
    expected = reference(model, *inputs)
    for output, reference_output in zip(actual if isinstance(actual, tuple) else (actual,), expected, strict=True):
        assert output.dtype == reference_output.dtype
        np.testing.assert_allclose(output, reference_output, rtol, atol)


def differences(q: NDArray[Any], params: QuantParams) -> NDArray[np.int64]:
    return q.astype(np.int64) - int(params.zero_point)


@each_isa
@many
def test_products_of_two_activations(seed: int, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leading axes broadcast as in NumPy; each operand is int8 or uint8, with any zero point."""
    monkeypatch.setenv("OCTAVO_ISA", isa)
    rng = np.random.default_rng(seed)
    m, k, n = (int(size) for size in rng.choice([1, 2, 5, 8, 16, 33, 64], 3))
    leading = tuple(rng.integers(1, 4, int(rng.integers(0, 3))).tolist())
    stretched = tuple(1 if rng.integers(3) == 0 else dim for dim in leading)[int(rng.integers(0, len(leading) + 1)) :]
    shapes = [(*leading, m, k), (*stretched, k, n)]
    a_params, b_params, out = random_params(rng), random_params(rng), random_params(rng, 0.5)
    a, b = random_integers(rng, shapes[0], a_params), random_integers(rng, shapes[1], b_params)
    model = Qdq()
    y = model.node("MatMul", [model.source("a", a.shape, a_params), model.source("b", b.shape, b_params)], "y")
    model.result(model.quantized(y, out), out.grid.dtype)
    sums = (differences(a, a_params) @ differences(b, b_params)).astype(np.int32)
    multiplier = affine.requantization_multiplier(a_params.scale, b_params.scale, out.scale)
    expected = affine.requantize(sums, multiplier, int(out.zero_point), out.grid)
    np.testing.assert_array_equal(model.run(tmp_path, a, b), expected)
    assert kinds(model) == {"BatchMatMul": 1}


@few
def test_a_scaled_product_to_floats(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    params = [random_params(rng), random_params(rng)]
    a, b = random_integers(rng, (2, 3, 7, 20), params[0]), random_integers(rng, (2, 1, 20, 9), params[1])
    model = Qdq()
    y = model.node("MatMul", [model.source("a", a.shape, params[0]), model.source("b", b.shape, params[1])], "y")
    operand = np.float32(0.25 if seed else 4.0)
    model.result(model.node("Mul" if seed else "Div", [y, model.constant("c", operand)], "z"), "float32")
    sums = differences(a, params[0]) @ differences(b, params[1])
    exact = sums * float(params[0].scale) * float(params[1].scale) / 4
    np.testing.assert_allclose(model.run(tmp_path, a, b), exact, 1e-6)
    assert kinds(model) == {"BatchMatMul": 1}


class Head:
    """Integer attention in the form that exporters write, with random sizes and grids."""

    def __init__(self, seed: int, *, parts: bool) -> None:
        rng = np.random.default_rng(seed)
        batch, heads, depth = (int(size) for size in rng.integers(1, 4, 3) * (1, 1, 8))
        queries, keys = (int(size) for size in rng.choice([1, 5, 16, 33, 60], 2))
        grids = [random_params(rng) for _ in range(3)]
        self.inputs: list[NDArray[Any]] = [
            random_integers(rng, (batch, length, heads * depth), grid)
            for length, grid in zip((queries, keys, keys), grids, strict=True)
        ]
        mask = np.where(rng.random((batch, 1, 1, keys)) < 0.3, -np.inf, 0.0).astype(np.float32)
        mask[..., 0] = 0.0
        self.model = model = Qdq()
        turned = []
        for name, array, grid in zip("qkv", self.inputs, grids, strict=True):
            split = model.constant(f"{name}_split", np.array([0, 0, heads, depth]))
            value = model.node("Reshape", [model.source(name, array.shape, grid), split], f"{name}_heads")
            perm = [0, 2, 3, 1] if name == "k" else [0, 2, 1, 3]
            turned.append(model.node("Transpose", [value], f"{name}_turned", perm=perm))
        scores = model.node("MatMul", turned[:2], "scores")
        scores = model.node("Mul", [scores, model.constant("scale", np.float32(depth**-0.5))], "scaled")
        if seed % 2:
            self.inputs.append(mask)
            scores = model.node("Add", [scores, model.input("mask", mask.shape)], "masked")
        shares = model.quantized(model.node("Softmax", [scores], "shares", axis=-1), SHARES)
        if parts:
            model.result(shares, "uint8")
        y = model.node("MatMul", [model.dequantized(shares, SHARES), turned[2]], "y")
        out = random_params(rng)
        merged_heads = model.node(
            "Transpose", [model.dequantized(model.quantized(y, out), out)], "back", perm=[0, 2, 1, 3]
        )
        merged = model.constant("merged", np.array([0, 0, heads * depth]))
        merged_heads = model.node("Reshape", [merged_heads, merged], "flat")
        model.result(model.quantized(merged_heads, out), out.grid.dtype)


@each_isa
@many
def test_attention(seed: int, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fused, it has the integers of its parts, and those of ONNX Runtime up to one step."""
    monkeypatch.setenv("OCTAVO_ISA", isa)
    one_operator, parts = Head(seed, parts=False), Head(seed, parts=True)
    assert kinds(one_operator.model)["Attention"] == 1
    assert kinds(one_operator.model).keys() <= {"Attention", "Expand"}
    assert kinds(parts.model)["Attention"] == 0
    fused = one_operator.model.run(tmp_path, *one_operator.inputs)
    of_parts = NativeSession(parts.model.bundle(tmp_path / "parts.oct"))(*parts.inputs)[1]
    np.testing.assert_array_equal(fused, of_parts)
    (expected,) = reference(one_operator.model, *one_operator.inputs)
    assert np.abs(fused.astype(int) - expected.astype(int)).max() <= 1


@each_isa
@pytest.mark.parametrize("op", ["Exp", "Erf", "Tanh", "Sigmoid", "Gelu", "Sqrt", "Reciprocal", "Softmax"])
def test_float_functions_are_within_their_documented_error(
    op: str, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors are in units in the last place of the exact value; GELU and softmax have the bounds of their kernels."""
    monkeypatch.setenv("OCTAVO_ISA", isa)
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-87, 87, 5000), rng.uniform(-5, 5, 20000), rng.normal(0, 1e-3, 999)])
    x = (np.abs(x) if op == "Sqrt" else x).astype(np.float32)
    exact, limit = x.astype(np.float64), 1.0
    model = Qdq()
    source = model.input("x", x.shape)
    if op == "Gelu":
        root = model.constant("root", np.float32(math.sqrt(2)))
        part = model.node("Erf", [model.node("Div", [source, root], "d")], "e")
        part = model.node("Add", [part, model.constant("one", np.float32(1))], "a")
        part = model.node("Mul", [source, part], "m")
        y = model.node("Mul", [part, model.constant("half", np.float32(0.5))], "y")
    else:
        y = model.node(op, [source], "y", **({"axis": 0} if op == "Softmax" else {}))
    model.result(y, "float32")
    actual = model.run(tmp_path, x)
    unit = np.spacing(np.abs(x))
    match op:
        case "Exp":
            expected = np.exp(exact)
        case "Erf":
            expected, limit = erf(exact), 8.0
        case "Tanh":
            expected, limit = np.tanh(exact), 8.0
        case "Sigmoid":
            expected, limit = 1 / (1 + np.exp(-exact)), 2.5
        case "Gelu":
            expected, limit = exact * 0.5 * (1 + erf(exact / math.sqrt(2))), 1.0
            unit = np.maximum(np.abs(exact), 1) * 2**-21
        case "Sqrt":
            expected, limit = np.sqrt(exact), 0.5
        case "Reciprocal":
            expected, limit = 1 / exact, 0.5
        case _:
            powers = np.exp(exact - exact.max())
            expected = powers / powers.sum()
            unit = expected * np.maximum(np.abs(exact - exact.max()), 1) * 2**-21 + 2.0**-149
    if op not in ("Gelu", "Softmax"):
        unit = np.spacing(np.abs(expected).astype(np.float32)).astype(np.float64)
    assert (np.abs(actual - expected) / unit).max() <= limit
    assert kinds(model) == {"SoftmaxFloat" if op == "Softmax" else "UnaryFloat": 1}


@few
@pytest.mark.parametrize("op", ["Erf", "Gelu", "Exp", "Sqrt", "Abs", "Neg"])
def test_functions_on_grids_are_tables(op: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    function = {
        "Erf": erf,
        "Gelu": lambda x: x * 0.5 * (1 + erf(x / math.sqrt(2))),
        "Exp": np.exp,
        "Sqrt": lambda x: np.sqrt(np.where(x < 0, np.nan, x)),
        "Abs": np.abs,
        "Neg": np.negative,
    }[op]
    params, out = random_params(rng), random_params(rng, 0.02)
    x = random_integers(rng, (2, 300), params)
    model = Qdq()
    source = model.source("x", x.shape, params)
    if op == "Gelu":
        scaled = model.node("Mul", [source, model.constant("root", np.float32(math.sqrt(0.5)))], "d")
        part = model.node("Add", [model.node("Erf", [scaled], "e"), model.constant("one", np.float32(1))], "a")
        y = model.node("Mul", [model.node("Mul", [source, model.constant("half", np.float32(0.5))], "h"), part], "y")
    else:
        y = model.node(op, [source], "y")
    model.result(model.quantized(y, out), out.grid.dtype)
    expected = affine.apply_table(x, affine.table(function, params, out), params.grid)
    np.testing.assert_array_equal(model.run(tmp_path, x), expected)
    assert kinds(model) == {"Lookup": 1}


def norm_of_parts(model: Qdq, x: str, scale: str, shift: str, axes: list[int]) -> str:
    """Layer normalization as several operators."""
    away = model.node("Sub", [x, model.node("ReduceMean", [x], "mean", axes=axes)], "away")
    square = model.node("Pow", [away, model.constant("two", np.float32(2))], "square")
    variance = model.node("ReduceMean", [square], "variance", axes=axes)
    root = model.node("Sqrt", [model.node("Add", [variance, model.constant("eps", np.float32(1e-5))], "more")], "root")
    return model.node("Add", [model.node("Mul", [model.node("Div", [away, root], "unit"), scale], "long"), shift], "n")


@each_isa
@many
@pytest.mark.parametrize("decomposed", [False, True])
def test_layer_norm(decomposed: bool, seed: int, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, or after a product with bias and residual add; with float and with integer output."""
    monkeypatch.setenv("OCTAVO_ISA", isa)
    rng = np.random.default_rng(seed)
    size, out = int(rng.choice([1, 7, 16, 40])), random_params(rng)
    x = rng.normal(1, 2, (2, int(rng.integers(1, 9)), size)).astype(np.float32)
    scale, shift, bias = rng.normal(size=(3, size)).astype(np.float32)
    model = Qdq()
    total, inputs, exact = model.input("x", x.shape), [x], x.astype(np.float64)
    if seed % 2:
        skip = rng.normal(0, 2, x.shape).astype(np.float32)
        total = model.node("Add", [total, model.constant("bias", bias)], "biased")
        total = model.node("Add", [model.input("skip", skip.shape), total], "total")
        inputs, exact = [x, skip], exact + bias + skip
    vectors = [model.constant("scale", scale), model.constant("shift", shift)]
    if decomposed:
        y = norm_of_parts(model, total, *vectors, [-1])
    else:
        y = model.node("LayerNormalization", [total, *vectors], "n", axis=-1)
    q = model.quantized(y, out)
    if seed % 4 < 2:
        model.result(y, "float32")
    model.result(q, out.grid.dtype)
    away = exact - exact.mean(-1, keepdims=True)
    expected = away / np.sqrt((away**2).mean(-1, keepdims=True) + 1e-5) * scale + shift
    actual = NativeSession(model.bundle(tmp_path / "model.oct"))(*inputs)
    if isinstance(actual, tuple):
        np.testing.assert_allclose(actual[0], expected, 2e-4, 2e-4)
        np.testing.assert_array_equal(actual[1], affine.quantize(actual[0], out))
        assert kinds(model) == {"LayerNorm": 1, "Quantize": 1}
    else:
        steps = np.abs(actual.astype(int) - affine.quantize(expected.astype(np.float32), out).astype(int))
        assert steps.max() <= 1
        assert kinds(model) == {"LayerNorm": 1}


@each_isa
@few
@pytest.mark.parametrize("op", ["Gelu", "Tanh"])
def test_a_product_with_a_function(
    op: str, seed: int, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fused, it has the integers of its parts."""
    monkeypatch.setenv("OCTAVO_ISA", isa)
    answers = []
    for parts in (False, True):
        rng = np.random.default_rng(seed)
        m, k, n = (int(size) for size in (rng.integers(1, 200), rng.integers(1, 40), rng.choice([3, 64, 300])))
        x_params, out = random_params(rng), random_params(rng, 0.02)
        x = random_integers(rng, (m, k), x_params)
        w, w_params = random_weights(rng, (k, n), 1)
        model = Qdq()
        y = model.node("MatMul", [model.source("x", x.shape, x_params), model.weights("w", w, w_params)], "y")
        y = model.node("Add", [model.constant("b", rng.normal(size=n).astype(np.float32)), y], "biased")
        if op == "Gelu":
            root = model.constant("root", np.float32(math.sqrt(2)))
            part = model.node("Erf", [model.node("Div", [y, root], "d")], "e")
            part = model.node("Add", [part, model.constant("one", np.float32(1))], "a")
            part = model.node("Mul", [y, part], "m")
            f = model.node("Mul", [part, model.constant("half", np.float32(0.5))], "f")
        else:
            f = model.node(op, [y], "f")
        if parts:
            model.result(f, "float32")
        model.result(model.quantized(f, out), out.grid.dtype)
        answers.append(NativeSession(model.bundle(tmp_path / "model.oct"))(x))
        assert kinds(model)["MatMulFunction"] == 1 - parts
    np.testing.assert_array_equal(answers[0], answers[1][1])


@few
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_gather(dtype: str, seed: int, tmp_path: Path) -> None:
    """Rows of an 8-bit table with one scale per column, and slices of a quantized activation."""
    rng = np.random.default_rng(seed)
    table = rng.integers(-127, 128, (30, 11)).astype(np.int8)
    zero_points = np.zeros(11, np.int32) if seed else rng.integers(-9, 9, 11).astype(np.int32)
    columns = QuantParams(affine.INT8, rng.uniform(0.01, 0.1, 11).astype(np.float32), zero_points, 2)
    params = random_params(rng)
    x = random_integers(rng, (4, 9, 3), params)
    ids = rng.integers(-30, 30, (2, 5)).astype(dtype)
    model = Qdq()
    rows = model.node("Gather", [model.constant("table", table), model.input("ids", ids.shape, dtype)], "rows")
    model.result(model.dequantized(rows, columns), "float32")
    part = model.constant("part", np.array([8, -9, 0]).astype(dtype))
    picked = model.node("Gather", [model.source("x", x.shape, params), part], "picked", axis=1)
    model.result(model.quantized(picked, params), params.grid.dtype)
    agrees(model, tmp_path, ids, x)


def test_indices_outside_a_table_are_clamped(tmp_path: Path) -> None:
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    model = Qdq()
    ids = model.input("ids", (4,), "int64")
    model.result(model.node("Gather", [model.constant("table", table), ids], "rows"), "float32")
    rows = model.run(tmp_path, np.array([3, 2**62, -4, -(2**62)]))
    np.testing.assert_array_equal(rows, table[[2, 2, 0, 0]])


@few
def test_masks(seed: int, tmp_path: Path) -> None:
    """Casts, comparisons, logical operators, Where and int64 arithmetic, as used by attention masks."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-3, 3, (2, 3, 4)), rng.integers(-3, 3, (4,))
    f = rng.normal(size=(3, 1)).astype(np.float32)
    model = Qdq()
    inputs = [model.input("x", (2, 3, 4), "int64"), model.input("y", (4,), "int64"), model.input("f", (3, 1))]
    truths = [
        model.node(op, inputs[:2], f"{op}_1") for op in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")
    ]
    truths.append(model.node("Not", [model.node("Cast", [inputs[0]], "cast", to=9)], "not"))
    for op, (a, b) in {"And": truths[:2], "Or": truths[1:3], "Xor": truths[4:6]}.items():
        truths.append(model.node(op, [a, b], f"{op}_1"))
    for truth in truths:
        model.result(truth, "bool")
    low = model.constant("low", np.float32(-np.inf))
    model.result(model.node("Where", [truths[0], low, inputs[2]], "where"), "float32")
    shape = model.constant("shape", np.array([2, 3, 5]))
    model.result(model.node("Expand", [inputs[2], shape], "expand"), "float32")
    for op in ("Add", "Sub", "Mul", "Max", "Min"):
        model.result(model.node(op, inputs[:2], f"{op}_1"), "int64")
    model.result(model.node("Cast", [inputs[2]], "whole", to=7), "int64")
    model.result(model.node("Cast", [inputs[0]], "real", to=1), "float32")
    agrees(model, tmp_path, x, y, f)


@few
@pytest.mark.parametrize("op", ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"])
@pytest.mark.parametrize("axes", [[-1], [1], [0, 1], None])
def test_reductions(op: str, axes: list[int] | None, seed: int, tmp_path: Path) -> None:
    x = np.random.default_rng(seed).normal(size=(3, 7, 37)).astype(np.float32)
    model = Qdq()
    source = model.input("x", x.shape)
    if op == "ReduceSum":
        inputs = [source] if axes is None else [source, model.constant("axes", np.array(axes))]
        y = model.node(op, inputs, "y", keepdims=seed % 2)
    else:
        y = model.node(op, [source], "y", keepdims=seed % 2, **({} if axes is None else {"axes": axes}))
    model.result(y, "float32")
    agrees(model, tmp_path, x, rtol=1e-5, atol=1e-4)


@few
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax_along_any_axis(axis: int, seed: int, tmp_path: Path) -> None:
    x = (np.random.default_rng(seed).normal(size=(3, 7, 37)) * 5).astype(np.float32)
    model = Qdq()
    y = model.node("Softmax", [model.input("x", x.shape)], "y", axis=axis)
    model.result(y, "float32")
    model.result(model.quantized(y, SHARES), "uint8")
    actual = NativeSession(model.bundle(tmp_path / "model.oct"))(x)
    expected = reference(model, x)
    np.testing.assert_allclose(actual[0], expected[0], 1e-5, 1e-7)
    np.testing.assert_array_equal(actual[1], affine.quantize(actual[0], SHARES))
    (separate,) = (NativeSession(quantized_softmax(axis).bundle(tmp_path / "alone.oct"))(x),)
    np.testing.assert_array_equal(separate, actual[1])


def quantized_softmax(axis: int) -> Qdq:
    model = Qdq()
    y = model.node("Softmax", [model.input("x", (3, 7, 37))], "y", axis=axis)
    model.result(model.quantized(y, SHARES), "uint8")
    assert kinds(model) == {"SoftmaxFloat": 1}
    return model


@few
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow"])
def test_float_arithmetic_broadcasts(op: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    shapes = [((2, 3, 21), (21,)), ((2, 1, 5), (3, 1)), ((4, 3, 1), (4, 3, 1))][seed]
    x, y = (rng.uniform(0.5, 2, shape).astype(np.float32) for shape in shapes)
    model = Qdq()
    model.result(model.node(op, [model.input("x", x.shape), model.input("y", y.shape)], "z"), "float32")
    agrees(model, tmp_path, x, y, rtol=1e-6)


def test_a_bias_after_a_product_is_fused(tmp_path: Path) -> None:
    """MatMul and Add are fused for operands of three axes too."""
    rng = np.random.default_rng(0)
    x_params, out = random_params(rng), random_params(rng, 0.5)
    x = random_integers(rng, (2, 5, 16), x_params)
    w, w_params = random_weights(rng, (16, 9), 1)
    bias, bias_params = random_bias(rng, 9, x_params, w_params)
    model = Qdq()
    y = model.node("MatMul", [model.source("x", x.shape, x_params), model.weights("w", w, w_params)], "y")
    y = model.node("Add", [y, model.constant("b", affine.dequantize(bias, bias_params))], "z")
    model.result(model.quantized(y, out), out.grid.dtype)
    expected = affine.gemm(x.reshape(10, 16), x_params, w, w_params, out, bias).reshape(2, 5, 9)
    np.testing.assert_array_equal(model.run(tmp_path, x), expected)
    assert kinds(model) == {"MatMul": 1}
