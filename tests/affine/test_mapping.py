"""Quantize and dequantize: the error bound, saturation, and agreement with ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from octavo.affine import (
    GRIDS,
    INT8,
    UINT8,
    Grid,
    QuantParams,
    dequantize,
    fake_quantize,
    params_from_array,
    params_from_range,
    quantize,
    real_range,
)

small_grids = st.sampled_from([g for name, g in GRIDS.items() if name != "int32"] + [INT8.narrow()])
WIDE = {"int8": TensorProto.INT8, "uint8": TensorProto.UINT8}
WIDE |= {"int16": TensorProto.INT16, "uint16": TensorProto.UINT16}


def evaluate(op: str, x: NDArray[Any], p: QuantParams) -> NDArray[Any]:
    """ONNX's reference QuantizeLinear or DequantizeLinear."""
    kind = WIDE[p.grid.dtype]
    source, result = (TensorProto.FLOAT, kind) if op == "QuantizeLinear" else (kind, TensorProto.FLOAT)
    attributes: dict[str, Any] = {} if p.axis is None else {"axis": p.axis}
    if p.block_size is not None:
        attributes["block_size"] = p.block_size
    graph = helper.make_graph(
        [helper.make_node(op, ["x", "scale", "zero_point"], ["y"], **attributes)],
        op,
        [
            helper.make_tensor_value_info("x", source, x.shape),
            helper.make_tensor_value_info("scale", TensorProto.FLOAT, p.scale.shape),
            helper.make_tensor_value_info("zero_point", kind, p.scale.shape),
        ],
        [helper.make_tensor_value_info("y", result, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    feeds = {"x": x, "scale": p.scale, "zero_point": p.zero_point.astype(p.grid.numpy_dtype)}
    results: Any = ReferenceEvaluator(model).run(None, feeds)
    return np.asarray(results[0])


@st.composite
def values_in_a_range(draw: st.DrawFn) -> tuple[float, float, float]:
    """Ranges low <= high and values between them, float32, of any magnitude up to 2**127."""
    ends = st.floats(-(2.0**127), 2.0**127, width=32)
    # -0.0 before 0.0: Hypothesis refuses the range from 0.0 to -0.0.
    low, high = sorted((draw(ends), draw(ends)), key=lambda end: (end, np.copysign(1.0, end)))
    return low, high, draw(st.floats(low, high, width=32))


@given(values_in_a_range(), small_grids, st.booleans())
@example((-1.0, 3.0, 3.0), INT8, False)
@example((0.0, 1e-44, 1e-44), UINT8, False)
@example((-(2.0**127), 2.0**127, 2.0**127), UINT8, False)
def test_error_is_at_most_half_a_step_inside_the_range(
    case: tuple[float, float, float], grid: Grid, symmetric: bool
) -> None:
    low, high, x = case
    p = params_from_range(low, high, grid, symmetric=symmetric)
    step, q = float(p.scale), int(quantize(x, p))
    # x / S is rounded to float64: near a tie that may add 2**-36 of a step on a 16-bit grid.
    bound = step / 2 * (1 + 2.0**-35)
    assert abs(x - step * (q - int(p.zero_point))) <= bound
    # Storing the result as float32 adds half an ulp of it, 2**-24, or half the smallest subnormal.
    restored = float(fake_quantize(x, p))
    assert abs(x - restored) <= bound + abs(restored) * 2.0**-24 + 2.0**-150


@given(st.floats(allow_nan=False), small_grids)
def test_values_outside_saturate_at_the_nearer_bound(x: float, grid: Grid) -> None:
    p = params_from_range(-1.0, 2.0, grid)
    low, high = (float(end) for end in real_range(p))
    q = int(quantize(x, p))
    assert grid.qmin <= q <= grid.qmax
    if x >= high:
        assert q == grid.qmax
    if x <= low:
        assert q == grid.qmin


def test_infinities_saturate_and_nan_maps_to_the_zero_point() -> None:
    p = params_from_range(-1.0, 3.0, INT8)
    expected = [127, -128, int(p.zero_point), int(p.zero_point)]
    np.testing.assert_array_equal(quantize([np.inf, -np.inf, np.nan, 0.0], p), expected)


def test_ties_round_to_even() -> None:
    p = QuantParams(INT8, np.asarray(2, np.float32), np.asarray(1, np.int32))
    np.testing.assert_array_equal(quantize([1.0, 3.0, 5.0, -1.0, -3.0], p), [1, 3, 3, 1, -1])


@given(small_grids, st.floats(2.0**-120, 2.0**100, width=32), st.data())
def test_integers_round_trip(grid: Grid, scale: float, data: st.DataObject) -> None:
    zero_point = data.draw(st.integers(grid.qmin, grid.qmax))
    p = QuantParams(grid, np.asarray(scale, np.float32), np.asarray(zero_point, np.int32))
    q = np.arange(grid.qmin, grid.qmax + 1)
    np.testing.assert_array_equal(quantize(dequantize(q, p), p), q)


floats = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=3, max_side=6),
    elements=st.floats(-1e3, 1e3, width=32),
)


@given(floats, small_grids)
def test_the_mapping_is_idempotent(x: NDArray[np.float32], grid: Grid) -> None:
    p = params_from_array(x, grid)
    mapped = fake_quantize(x, p)
    np.testing.assert_array_equal(fake_quantize(mapped, p), mapped)


@given(floats, st.data())
def test_per_channel_maps_each_slice(x: NDArray[np.float32], data: st.DataObject) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    p = params_from_array(x, INT8, axis=axis)
    q = quantize(x, p)
    for i in range(x.shape[axis]):
        one = QuantParams(INT8, p.scale[i], p.zero_point[i])
        np.testing.assert_array_equal(np.take(q, i, axis), quantize(np.take(x, i, axis), one))
        np.testing.assert_array_equal(np.take(dequantize(q, p), i, axis), dequantize(np.take(q, i, axis), one))


@given(floats, st.data(), st.integers(1, 7))
def test_per_group_maps_each_block(x: NDArray[np.float32], data: st.DataObject, block: int) -> None:
    axis = data.draw(st.integers(0, x.ndim - 1))
    p = params_from_array(x, INT8, axis=axis, block_size=block)
    q = quantize(x, p)
    for place in np.ndindex(*x.shape):
        group = tuple(n // block if i == axis else n for i, n in enumerate(place))
        one = QuantParams(INT8, p.scale[group], p.zero_point[group])
        assert q[place] == quantize(x[place], one)


@pytest.mark.parametrize("name", list(WIDE))
@pytest.mark.parametrize(("axis", "block"), [(None, None), (1, None), (1, 4)])
def test_onnx_agrees(name: str, axis: int | None, block: int | None) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 3, (6, 8, 5)).astype(np.float32)
    p = params_from_array(x, GRIDS[name], axis=axis, block_size=block)
    # Twice the range, so that values are clipped at both bounds.
    x = 2 * x
    q, expected = quantize(x, p), evaluate("QuantizeLinear", x, p)
    assert q.dtype == expected.dtype
    quotient = x / np.broadcast_to(_repeated(p.scale, p, x.shape), x.shape).astype(np.float64)
    # ONNX divides in float32, so a quotient near a tie may round the other way.
    beside_a_tie = np.abs(np.abs(quotient - np.rint(quotient)) - 0.5) <= np.abs(quotient) * 2.0**-23
    np.testing.assert_array_equal(q[~beside_a_tie], expected[~beside_a_tie])
    assert np.abs(q.astype(int) - expected.astype(int)).max() <= 1
    np.testing.assert_array_equal(dequantize(q, p), evaluate("DequantizeLinear", q, p))


@given(hnp.arrays(np.float32, 20, elements=st.floats(-1e6, 1e6, width=32)), st.integers(-20, 15))
def test_onnx_is_equal_for_powers_of_two(x: NDArray[np.float32], exponent: int) -> None:
    # Division by a power of two is exact, ties included.
    p = QuantParams(INT8, np.asarray(2.0**exponent, np.float32), np.asarray(-3, np.int32))
    x = np.clip(x, -1e8 * p.scale, 1e8 * p.scale)  # the evaluator casts to int32 before it clips
    np.testing.assert_array_equal(quantize(x, p), evaluate("QuantizeLinear", x, p))


def _repeated(scale: NDArray[np.float32], p: QuantParams, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if p.block_size is not None:
        return np.repeat(scale, p.block_size, axis=p.axis)
    return scale if p.axis is None else scale.reshape(1, -1, 1)
