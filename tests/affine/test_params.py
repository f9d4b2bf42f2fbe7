"""Scales and zero points: covered ranges, exact zero, and the ranges for which naive formulas fail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from octavo.affine import (
    GRIDS,
    INT4,
    INT8,
    UINT8,
    Grid,
    QuantParams,
    dequantize,
    params_from_array,
    params_from_range,
    quantize,
    real_range,
)
from octavo.errors import OptionError

TINY = float(np.finfo(np.float32).tiny)
LARGEST = float(np.finfo(np.float32).max)

small_grids = st.sampled_from([g for name, g in GRIDS.items() if name != "int32"] + [INT8.narrow()])
ends = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(ends, ends, small_grids, st.booleans())
@example(0.0, LARGEST, UINT8, False)
@example(-LARGEST, LARGEST, INT8, True)
@example(0.0, 1e-45, UINT8, False)
@example(5.0, 5.0, INT8, False)
def test_scales_are_normal_and_zero_is_exact(low: float, high: float, grid: Grid, symmetric: bool) -> None:
    p = params_from_range(low, high, grid, symmetric=symmetric)
    assert p.scale.dtype == np.float32
    assert TINY <= float(p.scale) <= LARGEST
    assert quantize(0.0, p) == p.zero_point
    assert dequantize(p.zero_point, p) == 0.0
    assert bool(np.all(np.isfinite(real_range(p))))
    if symmetric:
        assert int(p.zero_point) == grid.middle


@given(ends, ends, small_grids, st.booleans())
def test_the_range_is_covered_to_half_a_step(low: float, high: float, grid: Grid, symmetric: bool) -> None:
    alpha = float(np.clip(min(low, high, 0.0), -(2.0**127), 0))
    beta = float(np.clip(max(low, high, 0.0), 0, 2.0**127))
    p = params_from_range(min(low, high), max(low, high), grid, symmetric=symmetric)
    covered_low, covered_high = (float(end) for end in real_range(p))
    # 2**-20 of a step: the bounds of a 16-bit grid, stored as float32, are half an ulp off.
    slack = float(p.scale) * (0.5 + 2.0**-20 * grid.levels / 16)
    assert covered_low <= alpha + slack
    assert covered_high >= beta - slack


@given(ends, ends)
def test_the_scale_is_the_next_float32_not_below_the_exact_one(low: float, high: float) -> None:
    p = params_from_range(min(low, high), max(low, high), UINT8)
    exact = (np.clip(max(low, high, 0.0), 0, 2.0**127) - np.clip(min(low, high, 0.0), -(2.0**127), 0)) / 255
    if exact > TINY:
        assert float(p.scale) >= exact
        assert float(np.nextafter(p.scale, np.float32(0))) < exact


@given(st.floats(2.0**-100, 2.0**100, width=32), st.booleans(), small_grids)
def test_a_constant_is_mapped_to_itself(value: float, negative: bool, grid: Grid) -> None:
    constant = np.float32(-value if negative else value)
    p = params_from_array(np.full(3, constant), grid)
    restored = dequantize(quantize(constant, p), p)
    # The constant is a bound of its range, S (qmax - qmin), and S is within one float32 ulp of the exact scale.
    np.testing.assert_allclose(restored, constant, rtol=2.0**-22)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (1.0, -1.0), (np.float32(-0.0), 0.0)])
@pytest.mark.parametrize("symmetric", [False, True])
def test_a_range_of_zero_width_has_scale_one(low: float, high: float, symmetric: bool) -> None:
    p = params_from_range(low, high, INT8, symmetric=symmetric)
    assert (float(p.scale), int(p.zero_point)) == (1.0, 0 if symmetric else -128)


def test_empty_and_all_zero_arrays_have_scale_one() -> None:
    for array in (np.zeros((3, 2)), np.zeros((0, 2)), np.zeros(0)):
        assert float(params_from_array(array, UINT8).scale) == 1.0
    np.testing.assert_array_equal(params_from_array(np.zeros((0, 2)), UINT8, axis=1).scale, [1.0, 1.0])


def test_subnormal_ranges_take_the_smallest_normal_scale() -> None:
    p = params_from_range(-1e-45, 1e-40, INT8)
    assert float(p.scale) == TINY
    assert abs(float(dequantize(quantize(1e-40, p), p)) - 1e-40) <= TINY / 2


def test_bounds_beyond_float32_stay_finite() -> None:
    p = params_from_range(-1e300, 1e300, INT8)
    assert bool(np.all(np.isfinite(dequantize([-128, 127], p))))
    assert float(p.scale) == float(params_from_range(-LARGEST, LARGEST, INT8).scale)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinite_ranges_are_refused(value: float) -> None:
    for low, high in ((value, 1.0), (-1.0, value)):
        with pytest.raises(OptionError, match="not finite"):
            params_from_range(low, high, INT8)
    with pytest.raises(OptionError, match="not finite"):
        params_from_array([0.0, value], INT8)
    with pytest.raises(OptionError, match="not finite"):
        params_from_array([[0.0, value]], INT8, axis=1)
    with pytest.raises(OptionError, match="not finite"):
        params_from_array([[0.0, value]], INT8, axis=1, block_size=2)


arrays = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=1, max_dims=4, max_side=5),
    elements=st.floats(-1e6, 1e6, width=32),
)


@given(arrays, st.data(), st.booleans())
def test_per_channel_is_per_tensor_of_each_slice(
    array: NDArray[np.float32], data: st.DataObject, symmetric: bool
) -> None:
    axis = data.draw(st.integers(-array.ndim, array.ndim - 1))
    p = params_from_array(array, INT8, symmetric=symmetric, axis=axis)
    assert p.axis == axis % array.ndim
    for i in range(array.shape[axis]):
        one = params_from_array(np.take(array, i, axis), INT8, symmetric=symmetric)
        assert (p.scale[i], p.zero_point[i]) == (one.scale, one.zero_point)


@given(arrays, st.data(), st.integers(1, 6))
def test_per_group_is_per_tensor_of_each_block(array: NDArray[np.float32], data: st.DataObject, block: int) -> None:
    axis = data.draw(st.integers(0, array.ndim - 1))
    p = params_from_array(array, INT4, axis=axis, block_size=block)
    lines = np.moveaxis(array, axis, -1)
    scales, zero_points = np.moveaxis(p.scale, axis, -1), np.moveaxis(p.zero_point, axis, -1)
    assert scales.shape == (*lines.shape[:-1], -(-lines.shape[-1] // block))
    for place in np.ndindex(*scales.shape):
        part = lines[place[:-1]][place[-1] * block : (place[-1] + 1) * block]
        one = params_from_array(part, INT4)
        assert (scales[place], zero_points[place]) == (one.scale, one.zero_point)


def test_inconsistent_parameters_are_refused() -> None:
    one, two, zero = np.ones((), np.float32), np.ones(2, np.float32), np.zeros((), np.int32)
    with pytest.raises(OptionError, match="make them equal"):
        QuantParams(INT8, two, zero, 0)
    with pytest.raises(OptionError, match="axis"):
        QuantParams(INT8, two, np.zeros(2, np.int32))
    with pytest.raises(OptionError, match="axis"):
        QuantParams(INT8, one, zero, 0)
    with pytest.raises(OptionError, match="outside the grid"):
        QuantParams(INT8, one, zero + 128)
    for scale in (0.0, -1.0, np.nan, np.inf, TINY / 2):
        with pytest.raises(OptionError, match="positive, finite, normal"):
            QuantParams(INT8, np.asarray(scale, np.float32), np.asarray(0, np.int32))


def test_axes_and_blocks_that_do_not_fit_are_refused() -> None:
    array = np.ones((2, 3))
    with pytest.raises(OptionError, match="axis 2 does not exist"):
        params_from_array(array, INT8, axis=2)
    with pytest.raises(OptionError, match="block_size 0"):
        params_from_array(array, INT8, axis=1, block_size=0)
    with pytest.raises(OptionError, match="do not fit axis"):
        quantize(array, params_from_array(np.ones((2, 4)), INT8, axis=1))
    with pytest.raises(OptionError, match="do not fit a tensor"):
        quantize(np.ones((2, 9)), params_from_array(np.ones((2, 4)), INT8, axis=1, block_size=2))


def test_a_grid_with_one_side_cannot_be_symmetric() -> None:
    with pytest.raises(OptionError, match="one side of zero"):
        params_from_range(-1.0, 1.0, Grid("int8", 0, 127), symmetric=True)
