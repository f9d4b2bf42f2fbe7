"""The bound of the accumulator against all possible inputs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from octavo.affine import INT4, UINT8, Grid, QuantParams, accumulator_bound, conv_integer

NARROW = Grid("uint8", 0, 3)


def params(grid: Grid, zero_point: int) -> QuantParams:
    return QuantParams(grid, np.ones((), np.float32), np.asarray(zero_point, np.int32))


def largest(weight: NDArray[np.int8], w_zero: int, x_params: QuantParams, bias: NDArray[np.int32]) -> NDArray[np.int64]:
    """The largest |accumulator| of each row, over all inputs on the grid."""
    grid = x_params.grid
    inputs = np.array(list(itertools.product(range(grid.qmin, grid.qmax + 1), repeat=weight.shape[1])), np.int64)
    sums = (inputs - int(x_params.zero_point)) @ (weight.astype(np.int64) - w_zero).T + bias
    return np.asarray(np.abs(sums).max(axis=0))


small_weights = hnp.arrays(np.int8, st.tuples(st.integers(1, 3), st.integers(1, 4)), elements=st.integers(-8, 7))


@given(small_weights, st.integers(-8, 7), st.integers(0, 3), st.data())
def test_no_input_exceeds_the_bound(weight: NDArray[np.int8], w_zero: int, x_zero: int, data: st.DataObject) -> None:
    bias = data.draw(hnp.arrays(np.int32, weight.shape[0], elements=st.integers(-30, 30)))
    x_params, w_params = params(NARROW, x_zero), params(INT4, w_zero)
    bound = accumulator_bound(weight, w_params, x_params, bias, contraction=(1,))
    assert largest(weight, w_zero, x_params, bias).max() <= bound
    without = accumulator_bound(weight, w_params, x_params, contraction=(1,))
    assert largest(weight, w_zero, x_params, 0 * bias).max() <= without <= bound


@given(small_weights, st.sampled_from([0, 3]), st.booleans(), st.data())
def test_weights_of_one_sign_reach_the_bound(
    weight: NDArray[np.int8], x_zero: int, negative: bool, data: st.DataObject
) -> None:
    # All differences from the zero point have one sign, and the bias has the sign of the sum.
    signed = np.abs(weight) * (-1 if negative else 1)
    toward = (-1 if negative else 1) * (-1 if x_zero == 3 else 1)
    bias = toward * data.draw(hnp.arrays(np.int32, weight.shape[0], elements=st.integers(0, 30)))
    x_params = params(NARROW, x_zero)
    grid = Grid("int8", -8, 8)
    bound = accumulator_bound(signed, params(grid, 0), x_params, bias.astype(np.int32), contraction=(1,))
    assert largest(signed, 0, x_params, bias).max() == bound


def test_per_channel_zero_points_count() -> None:
    weight = np.array([[3, 3], [3, 3]], np.int8)
    per_row = QuantParams(INT4, np.ones(2, np.float32), np.array([3, -8], np.int32), 0)
    assert accumulator_bound(weight, per_row, params(UINT8, 0), contraction=(1,)) == 22 * 255


def test_a_convolution_reaches_the_bound() -> None:
    weight = np.full((2, 3, 3, 3), 7, np.int8)
    weight[0] = 1
    w_params, x_params = params(INT4, 0), params(UINT8, 100)
    bias = np.array([0, 50], np.int32)
    bound = accumulator_bound(weight, w_params, x_params, bias, contraction=(1, 2, 3))
    sums = conv_integer(np.full((1, 3, 5, 5), 255, np.uint8), x_params, weight, w_params)
    assert int(sums.max()) + 50 == bound == 27 * 7 * 155 + 50


@pytest.mark.parametrize(("zero_point", "distance"), [(0, 255), (255, 255), (128, 128), (100, 155)])
def test_the_bound_uses_the_input_bound_farthest_from_the_zero_point(zero_point: int, distance: int) -> None:
    weight = np.array([[-5], [2]], np.int8)
    bound = accumulator_bound(weight, params(INT4, 0), params(UINT8, zero_point), contraction=(1,))
    assert bound == 5 * distance


def test_any_axis_can_be_the_reduction_axis() -> None:
    weight, bias = np.array([[1, -2], [3, 4]], np.int8), np.array([-7], np.int32)
    bound = accumulator_bound(weight, params(INT4, 0), params(UINT8, 0), bias, contraction=(0, 1))
    assert bound == 10 * 255 + 7
