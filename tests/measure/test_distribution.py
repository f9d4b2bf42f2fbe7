"""Histograms on grids: counts are preserved, and bins align with the grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from octavo.affine import INT8, INT16, UINT8, Grid, QuantParams, dequantize, params_from_range, quantize, real_range
from octavo.measure.distribution import channels_of, of_integers, of_observer, rounding_sqnr_db
from octavo.ranges import FbgemmHistogram, RangeSketch

values = arrays(np.float32, st.integers(1, 300), elements=st.floats(-1000, 1000, width=32))


def sketch(array: np.ndarray) -> RangeSketch:
    made = RangeSketch()
    made.update(array)
    return made


@given(values, st.floats(0.01, 2000), st.floats(0.01, 2000))
@example(np.float32([255]), 255.0, 255.0)
@settings(max_examples=200)
def test_shares_of_a_sketch_add_up_to_one_and_cover_the_grid(x: np.ndarray, below: float, above: float) -> None:
    params = params_from_range(-below, above, UINT8)
    found = of_observer(sketch(x), params)
    assert found is not None
    assert sum(found.shares) == pytest.approx(1.0, abs=2e-3)
    assert min(found.shares) >= 0
    low, high = (float(end) for end in real_range(params))
    assert found.low <= min(low, float(x.min())) + 1e-6 * abs(found.low)
    assert found.high >= max(high, float(x.max())) - 1e-6 * abs(found.high)
    assert 2 <= len(found.shares) <= 200


def test_bins_of_a_sketch_are_near_those_of_the_values() -> None:
    x = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
    found = of_observer(sketch(x), params_from_range(-3, 3, INT8))
    assert found is not None
    expected, _ = np.histogram(x, len(found.shares), (found.low, found.high))
    assert np.abs(np.array(found.shares) - expected / x.size).max() < 0.002
    assert np.abs(np.cumsum(found.shares) - np.cumsum(expected) / x.size).max() < 0.002


def test_zeros_stay_in_the_bin_of_zero() -> None:
    x = np.concatenate([np.zeros(75), np.linspace(1, 5, 25)]).astype(np.float32)
    found = of_observer(sketch(x), params_from_range(0, 5, UINT8))
    assert found is not None
    assert found.shares[0] == pytest.approx(0.75)
    assert found.low < 0 < found.low + (found.high - found.low) / len(found.shares)


def test_fbgemm_histograms_are_supported_and_empty_observers_have_none() -> None:
    observer, params = FbgemmHistogram(), params_from_range(-3, 3, INT8)
    assert of_observer(observer, params) is None
    assert of_observer(RangeSketch(), params) is None
    observer.update(np.random.default_rng(0).normal(size=10_000).astype(np.float32))
    found = of_observer(observer, params)
    assert found is not None
    assert sum(found.shares) == pytest.approx(1.0, abs=2e-3)
    assert found.shares[len(found.shares) // 2] > 10 * found.shares[2]


@pytest.mark.parametrize("grid", [INT8, Grid.parse("int8[-127,127]"), Grid.parse("int4"), INT16])
def test_integers_are_counted_on_their_levels(grid: Grid) -> None:
    q = np.arange(grid.qmin, grid.qmax + 1).astype(grid.numpy_dtype)
    params = QuantParams(grid, np.asarray(0.5, np.float32), np.asarray(1, np.int32))
    found = of_integers(q, params)
    assert not found.integers
    assert sum(found.shares) == pytest.approx(1.0, abs=2e-3)
    assert found.low == 0.5 * (grid.qmin - 0.5 - 1)
    assert found.high >= 0.5 * (grid.qmax + 0.5 - 1)
    assert len(found.shares) <= 128


def test_the_axis_is_in_integers_for_per_channel_scales() -> None:
    params = QuantParams(Grid.parse("int4"), np.ones(2, np.float32), np.zeros(2, np.int32), axis=0)
    found = of_integers(np.array([[-8, 7], [7, 7]], np.int8), params)
    assert found.integers
    assert (found.low, found.high) == (-8.5, 7.5)
    assert found.shares[0] == 0.25
    assert found.shares[-1] == 0.75


@pytest.mark.parametrize(("count", "step"), [(1, 1), (128, 1), (129, 2), (1000, 8)])
def test_many_channels_are_grouped(count: int, step: int) -> None:
    array = np.random.default_rng(0).normal(size=(3, count)).astype(np.float32)
    found = channels_of(array, 1)
    assert found.step == step
    assert len(found.low) == -(-count // step)
    assert found.low[0] == pytest.approx(float(array[:, :step].min()), rel=1e-3)
    assert found.high[-1] == pytest.approx(float(array[:, (len(found.low) - 1) * step :].max()), rel=1e-3)


def test_the_rounding_ratio_equals_its_definition() -> None:
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    params = params_from_range(-4, 4, INT8)
    q = quantize(x, params)
    noise = ((x - dequantize(q, params)).astype(np.float64) ** 2).sum()
    expected = 10 * np.log10((x.astype(np.float64) ** 2).sum() / noise)
    assert rounding_sqnr_db(x, q, params) == pytest.approx(expected, abs=0.01)
