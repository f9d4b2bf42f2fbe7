"""Requantization: equal to float32 bit for bit, close to the exact result, and saturating at both bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.affine import (
    INT4,
    INT8,
    UINT8,
    Grid,
    requantization_multiplier,
    requantize,
)

grids = st.sampled_from([INT8, UINT8, INT4, INT8.narrow()])
accumulators = st.integers(-(2**31), 2**31 - 1)


def one(accumulator: int, multiplier: float, zero_point: int, grid: Grid) -> int:
    return int(requantize(np.array([accumulator], np.int32), multiplier, zero_point, grid)[0])


@given(accumulators, st.floats(2.0**-40, 2.0, width=32), grids, st.data())
def test_it_is_near_the_exact_result(accumulator: int, multiplier: float, grid: Grid, data: st.DataObject) -> None:
    zero_point = data.draw(st.integers(grid.qmin, grid.qmax))
    exact = min(max(accumulator * multiplier + zero_point, grid.qmin), grid.qmax)
    # Half a step of rounding, and two float32 roundings of at most 255 steps from the zero point.
    assert abs(one(accumulator, multiplier, zero_point, grid) - exact) <= 0.5 + 256 * 2.0**-22


@given(accumulators, st.floats(2.0**-40, 2.0**10, width=32))
def test_it_is_two_float32_operations(accumulator: int, multiplier: float) -> None:
    product = np.float32(np.float32(accumulator) * np.float32(multiplier))
    expected = int(np.clip(np.rint(np.float64(product)) + 3, -128, 127))
    assert one(accumulator, multiplier, 3, INT8) == expected


def test_ties_round_to_even_before_the_zero_point_is_added() -> None:
    accumulator = np.array([1, 3, 5, -1, -3], np.int32)
    # 0.5, 1.5, 2.5, -0.5, -1.5 round to 0, 2, 2, 0, -2: an odd zero point does not change the rounding.
    np.testing.assert_array_equal(requantize(accumulator, 0.5, 1, INT8), [1, 3, 3, 1, -1])


def test_the_accumulator_is_rounded_to_float32_first() -> None:
    # 2**24 + 1 is between two float32 values and rounds to 2**24; 2.5 then rounds to the even 2. In
    # float64 the product is just above 2.5 and would round to 3.
    assert one(2**24 + 1, 2.5 * 2.0**-24, 0, INT8) == 2


@pytest.mark.parametrize("multiplier", [1.0, 2.0**100, 3.4e38])
def test_extreme_accumulators_saturate(multiplier: float) -> None:
    accumulator = np.array([-(2**31), 0, 2**31 - 1], np.int32)
    np.testing.assert_array_equal(requantize(accumulator, multiplier, 5, INT8), [-128, 5, 127])
    np.testing.assert_array_equal(requantize(accumulator, multiplier, 255, UINT8), [0, 255, 255])


@given(grids, st.floats(2.0**-30, 2.0, width=32), st.lists(accumulators, min_size=2, max_size=9))
def test_larger_accumulators_never_give_smaller_integers(grid: Grid, multiplier: float, values: list[int]) -> None:
    result = requantize(np.sort(np.array(values, np.int32)), multiplier, grid.qmin + 3, grid)
    assert bool(np.all(np.diff(result.astype(int)) >= 0))


def test_channels_broadcast_and_the_type_is_that_of_the_grid() -> None:
    accumulator = np.array([[100, 100], [-7, 7]], np.int32)
    result = requantize(accumulator, np.array([0.5, 0.25], np.float32), 0, UINT8)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, [[50, 25], [0, 2]])


def test_the_multiplier_is_float32_at_every_operation() -> None:
    sx, sw, sy = np.float32(0.1), np.array([0.3, 0.7], np.float32), np.float32(0.9)
    multiplier = requantization_multiplier(sx, sw, sy)
    assert multiplier.dtype == np.float32
    np.testing.assert_array_equal(multiplier, np.float32(sx * sw) / sy)
    assert requantization_multiplier(0.5, 0.5, 0.25).shape == ()
