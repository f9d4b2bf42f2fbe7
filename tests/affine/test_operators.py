"""The integer operators against ONNX's reference evaluator, ONNX Runtime and real arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import ArrayLike, NDArray
from onnx import ModelProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator

from octavo.affine import (
    INT8,
    INT32,
    UINT8,
    Grid,
    QuantParams,
    add,
    average_pool,
    concat,
    conv,
    conv_integer,
    conv_transpose,
    dequantize,
    gemm,
    global_average_pool,
    matmul,
    matmul_integer,
    max_pool,
    mul,
    quantize,
    quantize_bias,
)
from octavo.errors import OptionError

Feeds = dict[str, NDArray[Any]]


def params(grid: Grid, scale: ArrayLike, zero_point: int = 0, axis: int | None = None) -> QuantParams:
    scales = np.asarray(scale, np.float32)
    return QuantParams(grid, scales, np.full(scales.shape, zero_point, np.int32), axis)


def integers(rng: np.random.Generator, grid: Grid, shape: tuple[int, ...], extreme: bool) -> NDArray[Any]:
    if extreme:
        return rng.choice(np.array([grid.qmin, grid.qmax], grid.numpy_dtype), size=shape)
    return rng.integers(grid.qmin, grid.qmax + 1, shape).astype(grid.numpy_dtype)


def model(op: str, feeds: Feeds, output: Any, domain: str = "", **attributes: Any) -> ModelProto:
    kinds: dict[str, int] = {
        "float32": TensorProto.FLOAT,
        "int8": TensorProto.INT8,
        "uint8": TensorProto.UINT8,
    }
    kinds["int32"] = TensorProto.INT32
    inputs = [helper.make_tensor_value_info(n, kinds[str(v.dtype)], v.shape) for n, v in feeds.items()]
    node = helper.make_node(op, list(feeds), ["y"], domain=domain, **attributes)
    result = helper.make_tensor_value_info("y", kinds[np.dtype(output).name], None)
    opsets = [helper.make_opsetid("", 19), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(helper.make_graph([node], op, inputs, [result]), opset_imports=opsets, ir_version=9)


def by_reference(op: str, feeds: Feeds, output: Any, **attributes: Any) -> NDArray[Any]:
    results: Any = ReferenceEvaluator(model(op, feeds, output, **attributes)).run(None, feeds)
    return np.asarray(results[0])


def by_runtime(op: str, feeds: Feeds, output: Any, domain: str = "", **attributes: Any) -> NDArray[Any]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    proto = model(op, feeds, output, domain, **attributes).SerializeToString()
    session = ort.InferenceSession(proto, options, providers=["CPUExecutionProvider"])
    results: Any = session.run(None, feeds)
    return np.asarray(results[0])


def mapping_feeds(name: str, p: QuantParams) -> Feeds:
    return {f"{name}_scale": p.scale, f"{name}_zero_point": p.zero_point.astype(p.grid.numpy_dtype)}


def qlinear_feeds(x: NDArray[Any], xp: QuantParams, w: NDArray[Any], wp: QuantParams, yp: QuantParams) -> Feeds:
    return {"x": x, **mapping_feeds("x", xp), "w": w, **mapping_feeds("w", wp), **mapping_feeds("y", yp)}


def unsigned(feeds: Feeds) -> Feeds:
    """The same int8 weights as uint8: int8 kernels of some processors saturate pairs of products."""
    zero_point = feeds["w_zero_point"].astype(np.int16) + 128
    w = (feeds["w"].astype(np.int16) + 128).astype(np.uint8)
    return {**feeds, "w": w, "w_zero_point": np.asarray(zero_point, np.uint8)}


# x shape, w shape, attributes: one to three spatial axes, odd sizes, groups, depthwise, dilations.
CONVS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 7, 9), (5, 3, 3, 3), {"pads": [1, 1, 1, 1]}),
    ((1, 4, 11, 5), (6, 2, 3, 2), {"group": 2, "strides": [2, 1], "pads": [0, 1, 2, 0]}),
    ((1, 5, 9, 9), (5, 1, 3, 3), {"group": 5, "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((1, 3, 13), (4, 3, 5), {"dilations": [2], "pads": [3, 4], "strides": [3]}),
    ((1, 2, 12, 10), (3, 2, 3, 3), {"dilations": [3, 2], "pads": [2, 1, 0, 3]}),
    ((1, 2, 5, 6, 7), (3, 2, 2, 3, 3), {"pads": [1, 0, 1, 0, 1, 1], "strides": [1, 2, 1]}),
    ((1, 33, 1, 1), (17, 33, 1, 1), {}),
]


def conv_case(
    shape: tuple[int, ...], w_shape: tuple[int, ...], per_channel: bool, extreme: bool
) -> tuple[Feeds, tuple[Any, ...]]:
    """The feeds of QLinearConv and the same as positional arguments of `conv`."""
    rng = np.random.default_rng([*shape, *w_shape, per_channel, extreme])
    xp = params(UINT8, 0.03, 131)
    scales = rng.uniform(0.002, 0.02, w_shape[0]).astype(np.float32)
    wp = params(INT8.narrow(), scales if per_channel else scales[0], 0, 0 if per_channel else None)
    # Extreme integers reach both bounds of the output grid; others are mostly inside.
    yp = params(UINT8, 0.05 * float(np.prod(w_shape[1:])) ** 0.5, 117)
    x, w = integers(rng, xp.grid, shape, extreme), integers(rng, wp.grid, w_shape, extreme)
    bias = quantize_bias(rng.normal(0, 2, w_shape[0]), xp.scale, wp.scale)
    return qlinear_feeds(x, xp, w, wp, yp) | {"b": bias}, (x, xp, w, wp, yp, bias)


@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("shape", "w_shape", "attributes"), CONVS)
def test_conv_equals_onnx_runtime(
    shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    attributes: dict[str, Any],
    per_channel: bool,
    extreme: bool,
) -> None:
    feeds, arguments = conv_case(shape, w_shape, per_channel, extreme)
    expected = by_runtime("QLinearConv", unsigned(feeds), np.uint8, **attributes)
    np.testing.assert_array_equal(conv(*arguments, **attributes), expected)
    assert np.unique(expected).size > 1


@pytest.mark.parametrize(("shape", "w_shape", "attributes"), CONVS[:5])
def test_conv_equals_the_reference_evaluator(
    shape: tuple[int, ...], w_shape: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    feeds, arguments = conv_case(shape, w_shape, False, False)
    expected = by_reference("QLinearConv", feeds, np.uint8, **attributes)
    # The evaluator rounds after it adds the zero point, so ties may round the other way.
    assert np.abs(conv(*arguments, **attributes).astype(int) - expected.astype(int)).max() <= 1
    assert (conv(*arguments, **attributes) != expected).mean() < 0.01


@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize(("shape", "w_shape", "attributes"), CONVS)
def test_conv_integer_equals_the_sum_of_products(
    shape: tuple[int, ...], w_shape: tuple[int, ...], attributes: dict[str, Any], extreme: bool
) -> None:
    feeds, (x, xp, w, wp, *_) = conv_case(shape, w_shape, False, extreme)
    # A float64 convolution of integers this small is exact, and it is the evaluator's own code.
    exact = {"x": x.astype(np.float32) - 131, "w": w.astype(np.float32)}
    expected = by_reference("Conv", exact, np.float32, **attributes)
    result = conv_integer(x, xp, w, wp, **attributes)
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, expected)
    if len(shape) == 4:
        zeros = {n: unsigned(feeds)[n] for n in ("x", "w", "x_zero_point", "w_zero_point")}
        np.testing.assert_array_equal(result, by_runtime("ConvInteger", zeros, np.int32, **attributes))


def test_conv_integer_equals_the_reference_evaluator() -> None:
    _, (x, xp, w, wp, *_) = conv_case((1, 3, 7, 9), (5, 3, 3, 3), False, True)
    feeds = {"x": x, "w": w, "z": np.array(131, np.uint8), "zw": np.array(0, np.int8)}
    expected = by_reference("ConvInteger", feeds, np.int32, pads=[1, 1, 1, 1])
    np.testing.assert_array_equal(conv_integer(x, xp, w, wp, pads=[1, 1, 1, 1]), expected)


def test_conv_pads_with_the_zero_point() -> None:
    xp, wp, yp = params(UINT8, 0.1, 77), params(INT8, 0.1), params(INT8, 0.1, 5)
    x = np.full((1, 1, 4), 77, np.uint8)
    w = np.full((1, 1, 3), 127, np.int8)
    np.testing.assert_array_equal(conv(x, xp, w, wp, yp, pads=[2, 2]), np.full((1, 1, 6), 5, np.int8))


def test_conv_of_weights_with_a_zero_point_equals_onnx_runtime() -> None:
    rng = np.random.default_rng(3)
    xp, wp, yp = params(UINT8, 0.03, 131), params(UINT8, 0.01, 99), params(UINT8, 0.3, 117)
    x, w = integers(rng, UINT8, (1, 3, 6, 6), False), integers(rng, UINT8, (2, 3, 3, 3), False)
    expected = by_runtime("QLinearConv", qlinear_feeds(x, xp, w, wp, yp), np.uint8)
    np.testing.assert_array_equal(conv(x, xp, w, wp, yp), expected)


TRANSPOSED: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 5, 4), (3, 4, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
    ((1, 4, 7), (4, 3, 4), {"strides": [3], "group": 2, "pads": [0, 1]}),
    ((1, 2, 4, 5), (2, 3, 2, 3), {"dilations": [2, 1], "strides": [1, 2]}),
    ((1, 4, 3, 3), (4, 1, 2, 2), {"group": 4, "strides": [2, 2]}),
]


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("shape", "w_shape", "attributes"), TRANSPOSED)
def test_conv_transpose_equals_float_then_quantize(
    shape: tuple[int, ...], w_shape: tuple[int, ...], attributes: dict[str, Any], per_channel: bool
) -> None:
    rng = np.random.default_rng(w_shape)
    xp, yp = params(UINT8, 2.0**-4, 120), params(INT8, 0.5, -3)
    # Powers of two: every product and sum is exact in float32, so the results must be equal.
    scales = 2.0 ** -rng.integers(5, 8, w_shape[1])
    wp = params(INT8, scales if per_channel else scales[0], 0, 1 if per_channel else None)
    x, w = integers(rng, UINT8, shape, False), integers(rng, INT8, w_shape, False)
    channels = w_shape[1] * int(attributes.get("group", 1))
    accumulator_scale = xp.scale * np.tile(np.broadcast_to(wp.scale, w_shape[1]), attributes.get("group", 1))
    bias = rng.integers(-5000, 5000, channels).astype(np.int32)
    feeds = {
        "x": dequantize(x, xp),
        "w": dequantize(w, wp),
        "b": (bias * accumulator_scale).astype(np.float32),
    }
    expected = quantize(by_runtime("ConvTranspose", feeds, np.float32, **attributes), yp)
    np.testing.assert_array_equal(conv_transpose(x, xp, w, wp, yp, bias, **attributes), expected)


@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize(("a_shape", "b_shape"), [((5, 7), (7, 3)), ((2, 3, 9), (2, 9, 5)), ((1, 200), (200, 33))])
def test_matmul_equals_onnx(a_shape: tuple[int, ...], b_shape: tuple[int, ...], extreme: bool) -> None:
    rng = np.random.default_rng([*a_shape, *b_shape, extreme])
    ap, bp, yp = params(UINT8, 0.03, 131), params(INT8, 0.01), params(UINT8, 0.4, 117)
    a, b = integers(rng, UINT8, a_shape, extreme), integers(rng, INT8, b_shape, extreme)
    feeds = qlinear_feeds(a, ap, b, bp, yp)
    result = matmul(a, ap, b, bp, yp)
    np.testing.assert_array_equal(result, by_runtime("QLinearMatMul", unsigned(feeds), np.uint8))
    reference = by_reference("QLinearMatMul", feeds, np.uint8)
    # The evaluator multiplies the three float32 scales in another order, so a tie may round the other way.
    assert np.abs(result.astype(int) - reference.astype(int)).max() <= 1
    zeros = {"a": a, "b": b, "az": feeds["x_zero_point"], "bz": feeds["w_zero_point"]}
    expected = by_reference("MatMulInteger", zeros, np.int32)
    np.testing.assert_array_equal(matmul_integer(a, ap, b, bp), expected)


def test_matmul_per_column_equals_that_of_each_column() -> None:
    rng = np.random.default_rng(5)
    ap, yp = params(UINT8, 0.03, 131), params(UINT8, 0.2, 117)
    bp = params(INT8, rng.uniform(0.001, 0.02, 6), 0, axis=1)
    a, b = integers(rng, UINT8, (4, 31), False), integers(rng, INT8, (31, 6), False)
    expected = by_runtime("QLinearMatMul", unsigned(qlinear_feeds(a, ap, b, bp, yp)), np.uint8)
    np.testing.assert_array_equal(matmul(a, ap, b, bp, yp), expected)
    columns = [matmul(a, ap, b[:, [n]], params(INT8, bp.scale[n]), yp) for n in range(6)]
    np.testing.assert_array_equal(matmul(a, ap, b, bp, yp), np.concatenate(columns, axis=1))


@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("trans_b", [False, True])
def test_gemm_equals_matmul_with_bias(trans_a: bool, trans_b: bool) -> None:
    rng = np.random.default_rng(6)
    ap, yp = params(INT8, 0.03, -7), params(INT8, 0.2, 11)
    scales = rng.uniform(0.001, 0.02, 6)
    a, b = integers(rng, INT8, (4, 31), False), integers(rng, INT8, (31, 6), False)
    bias = rng.integers(-9000, 9000, 6).astype(np.int32)
    expected = matmul(a, ap, b, params(INT8, scales, 0, axis=1), yp, bias)
    rhs, axis = (b.T, 0) if trans_b else (b, 1)
    lhs = a.T if trans_a else a
    result = gemm(lhs, ap, rhs, params(INT8, scales, 0, axis), yp, bias, trans_a=trans_a, trans_b=trans_b)
    np.testing.assert_array_equal(result, expected)
    exact = (a.astype(np.float64) + 7) @ b * 0.03 * scales + bias * 0.03 * scales
    assert np.abs(dequantize(result, yp) - exact)[np.abs(exact) < 20].max() <= 0.1001


def test_sums_beyond_int32_are_refused() -> None:
    p = params(INT8, 0.1, 127)
    q = np.full((1, 33026), -128, np.int8)
    # 255 * 255 * 33026 is just above 2**31; with one column fewer the sum fits.
    with pytest.raises(OverflowError, match="int32"):
        matmul_integer(q, p, q.T, p)
    assert matmul_integer(q[:, 1:], p, q.T[1:], p)[0, 0] == 255 * 255 * 33025
    bias = np.array([2**31 - 1], np.int32)
    with pytest.raises(OverflowError, match="int32"):
        matmul(q[:, :1], p, q.T[:1], p, p, bias)


@pytest.mark.parametrize(("function", "ufunc"), [(add, np.add), (mul, np.multiply)])
def test_add_and_mul_are_the_nearest_integers(function: Any, ufunc: Any) -> None:
    rng = np.random.default_rng(7)
    ap, bp, yp = params(UINT8, 0.03, 131), params(INT8, 0.021, 9), params(UINT8, 0.06, 117)
    a, b = integers(rng, UINT8, (3, 1, 50), False), integers(rng, INT8, (4, 50), False)
    result = function(a, ap, b, bp, yp)
    exact = ufunc((a.astype(float) - 131) * float(ap.scale), (b.astype(float) - 9) * float(bp.scale))
    inside = (exact > (0 - 117) * 0.06) & (exact < (255 - 117) * 0.06)
    assert inside.sum() > 200
    assert np.abs(dequantize(result, yp) - exact)[inside].max() <= 0.03 + 1e-5
    assert set(np.unique(result[~inside])) <= {0, 255}


@pytest.mark.parametrize(("function", "op"), [(add, "QLinearAdd"), (mul, "QLinearMul")])
def test_add_and_mul_agree_with_onnx_runtime(function: Any, op: str) -> None:
    rng = np.random.default_rng(8)
    ap, bp, yp = params(UINT8, 0.0313, 131), params(UINT8, 0.02171, 9), params(UINT8, 0.0607, 117)
    a, b = integers(rng, UINT8, (3, 500), False), integers(rng, UINT8, (3, 500), False)
    feeds = {"a": a, **mapping_feeds("a", ap), "b": b, **mapping_feeds("b", bp), **mapping_feeds("y", yp)}
    expected = by_runtime(op, feeds, np.uint8, "com.microsoft")
    difference = np.abs(function(a, ap, b, bp, yp).astype(int) - expected.astype(int))
    # The runtime multiplies the scales first, so a value near a tie may round the other way.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


def test_concat_requantizes_arrays_of_other_parameters() -> None:
    ap, bp = params(UINT8, 0.5, 10), params(INT8, 0.25, 0)
    a, b = np.arange(256).astype(np.uint8).reshape(2, 128), np.array([[4], [-5]], np.int8)
    result = concat([a, b], [ap, bp], ap, axis=1)
    np.testing.assert_array_equal(result[:, :128], a)
    # -5 * 0.25 is -2.5 steps of 0.5, which round half to even to -2.
    np.testing.assert_array_equal(result[:, 128:], [[12], [8]])
    with pytest.raises(OptionError, match="one for each"):
        concat([a, b], [ap], ap, axis=1)


POOLS: list[dict[str, Any]] = [
    {"kernel": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    {"kernel": [2, 3], "pads": [0, 1, 1, 0]},
    {"kernel": [2, 2], "dilations": [2, 3]},
]


@pytest.mark.parametrize("grid", [INT8, UINT8])
@pytest.mark.parametrize("attributes", POOLS)
def test_max_pool_equals_onnx_runtime(attributes: dict[str, Any], grid: Grid) -> None:
    p = params(grid, 0.1, 3)
    x = integers(np.random.default_rng(9), grid, (2, 3, 7, 9), False)
    named = {"kernel_shape" if k == "kernel" else k: v for k, v in attributes.items()}
    expected = by_runtime("MaxPool", {"x": x}, grid.numpy_dtype, **named)
    np.testing.assert_array_equal(max_pool(x, p, p, **attributes), expected)


@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("attributes", POOLS)
def test_average_pool_is_the_nearest_integer(attributes: dict[str, Any], include: bool) -> None:
    p, yp = params(UINT8, 0.1, 30), params(INT8, 0.08, -99)
    x = integers(np.random.default_rng(10), UINT8, (2, 3, 7, 9), False)
    named = {"kernel_shape" if k == "kernel" else k: v for k, v in attributes.items()}
    exact = by_runtime("AveragePool", {"x": dequantize(x, p)}, np.float32, count_include_pad=int(include), **named)
    result = average_pool(x, p, yp, **attributes, count_include_pad=include)
    low, high = (-128 + 99) * 0.08, (127 + 99) * 0.08
    assert np.abs(dequantize(result, yp) - np.clip(exact, low, high)).max() <= 0.04 + 1e-5


def test_average_of_padding_alone_is_zero() -> None:
    p = params(UINT8, 0.1, 30)
    result = average_pool(np.full((1, 1, 2), 255, np.uint8), p, p, [2], pads=[2, 0])
    np.testing.assert_array_equal(result, [[[30, 255, 255]]])


def test_global_average_pool_equals_onnx_runtime() -> None:
    p, yp = params(UINT8, 0.1, 30), params(UINT8, 0.02, 40)
    x = integers(np.random.default_rng(11), UINT8, (2, 40, 7, 5), False)
    feeds = {"x": x, **mapping_feeds("x", p), **mapping_feeds("y", yp)}
    expected = by_runtime("QLinearGlobalAveragePool", feeds, np.uint8, "com.microsoft", channels_last=0)
    result = global_average_pool(x, p, yp)
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(result, average_pool(x, p, yp, [7, 5]))


def test_shapes_and_granularities_that_do_not_fit_are_refused() -> None:
    p, rows = params(INT8, 0.1), params(INT8, [0.1, 0.2], axis=0)
    x, w = np.zeros((1, 2, 4), np.int8), np.zeros((2, 2, 3), np.int8)
    with pytest.raises(OptionError, match="do not fit an input"):
        conv(x, p, w[:, :1], p, p)
    with pytest.raises(OptionError, match="do not fit an input"):
        conv_transpose(x, p, w[:1], p, p)
    with pytest.raises(OptionError, match="does not fit the padded input"):
        conv(x, p, w, p, p, dilations=[3])
    with pytest.raises(OptionError, match="along axis 0"):
        conv(x, p, w, params(INT8, [0.1, 0.2], axis=1), p)
    with pytest.raises(OptionError, match="one scale per tensor"):
        conv(x, p, w, p, rows)
    with pytest.raises(OptionError, match="along axis 1"):
        matmul(w[0, :, :2], p, w[0, :, :2], rows, p)


def test_an_int32_grid_returns_the_accumulator() -> None:
    p, out = params(INT8, 1.0), params(INT32, 1.0)
    q = np.array([[-128, 127]], np.int8)
    np.testing.assert_array_equal(matmul(q, p, q.T, p, out), [[128 * 128 + 127 * 127]])
