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
    observer = RangeSketch()
    observer.update(array)
    return observer


@given(values, st.floats(0.01, 2000), st.floats(0.01, 2000))
@example(np.float32([255]), 255.0, 255.0)
@settings(max_examples=200)
def test_shares_of_a_sketch_add_up_to_one_and_cover_the_grid(x: np.ndarray, below: float, above: float) -> None:
    params = params_from_range(-below, above, UINT8)
    histogram = of_observer(sketch(x), params)
    assert histogram is not None
    assert sum(histogram.shares) == pytest.approx(1.0, abs=2e-3)
    assert min(histogram.shares) >= 0
    low, high = (float(end) for end in real_range(params))
    assert histogram.low <= min(low, float(x.min())) + 1e-6 * abs(histogram.low)
    assert histogram.high >= max(high, float(x.max())) - 1e-6 * abs(histogram.high)
    assert 2 <= len(histogram.shares) <= 200


def test_bins_of_a_sketch_are_near_those_of_the_values() -> None:
    x = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
    histogram = of_observer(sketch(x), params_from_range(-3, 3, INT8))
    assert histogram is not None
    expected, _ = np.histogram(x, len(histogram.shares), (histogram.low, histogram.high))
    assert np.abs(np.array(histogram.shares) - expected / x.size).max() < 0.002
    assert np.abs(np.cumsum(histogram.shares) - np.cumsum(expected) / x.size).max() < 0.002


def test_zeros_stay_in_the_bin_of_zero() -> None:
    x = np.concatenate([np.zeros(75), np.linspace(1, 5, 25)]).astype(np.float32)
    histogram = of_observer(sketch(x), params_from_range(0, 5, UINT8))
    assert histogram is not None
    assert histogram.shares[0] == pytest.approx(0.75)
    assert histogram.low < 0 < histogram.low + (histogram.high - histogram.low) / len(histogram.shares)


def test_fbgemm_histograms_are_supported_and_empty_observers_have_none() -> None:
    observer, params = FbgemmHistogram(), params_from_range(-3, 3, INT8)
    assert of_observer(observer, params) is None
    assert of_observer(RangeSketch(), params) is None
    observer.update(np.random.default_rng(0).normal(size=10_000).astype(np.float32))
    histogram = of_observer(observer, params)
    assert histogram is not None
    assert sum(histogram.shares) == pytest.approx(1.0, abs=2e-3)
    assert histogram.shares[len(histogram.shares) // 2] > 10 * histogram.shares[2]


@pytest.mark.parametrize("grid", [INT8, Grid.parse("int8[-127,127]"), Grid.parse("int4"), INT16])
def test_integers_are_counted_on_their_levels(grid: Grid) -> None:
    q = np.arange(grid.qmin, grid.qmax + 1).astype(grid.numpy_dtype)
    params = QuantParams(grid, np.asarray(0.5, np.float32), np.asarray(1, np.int32))
    histogram = of_integers(q, params)
    assert not histogram.integers
    assert sum(histogram.shares) == pytest.approx(1.0, abs=2e-3)
    assert histogram.low == 0.5 * (grid.qmin - 0.5 - 1)
    assert histogram.high >= 0.5 * (grid.qmax + 0.5 - 1)
    assert len(histogram.shares) <= 128


def test_the_axis_is_in_integers_for_per_channel_scales() -> None:
    params = QuantParams(Grid.parse("int4"), np.ones(2, np.float32), np.zeros(2, np.int32), axis=0)
    histogram = of_integers(np.array([[-8, 7], [7, 7]], np.int8), params)
    assert histogram.integers
    assert (histogram.low, histogram.high) == (-8.5, 7.5)
    assert histogram.shares[0] == 0.25
    assert histogram.shares[-1] == 0.75


@pytest.mark.parametrize(("count", "step"), [(1, 1), (128, 1), (129, 2), (1000, 8)])
def test_many_channels_are_grouped(count: int, step: int) -> None:
    array = np.random.default_rng(0).normal(size=(3, count)).astype(np.float32)
    channels = channels_of(array, 1)
    assert channels.step == step
    assert len(channels.low) == -(-count // step)
    assert channels.low[0] == pytest.approx(float(array[:, :step].min()), rel=1e-3)
    assert channels.high[-1] == pytest.approx(float(array[:, (len(channels.low) - 1) * step :].max()), rel=1e-3)


def test_the_rounding_ratio_equals_its_definition() -> None:
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    params = params_from_range(-4, 4, INT8)
    q = quantize(x, params)
    noise = ((x - dequantize(q, params)).astype(np.float64) ** 2).sum()
    expected = 10 * np.log10((x.astype(np.float64) ** 2).sum() / noise)
    assert rounding_sqnr_db(x, q, params) == pytest.approx(expected, abs=0.01)
