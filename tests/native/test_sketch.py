"""The native update of a range sketch equals the one in NumPy, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.native.isas import each_isa
from tests.ranges import numpy_sketch

from octavo.native import count_bins, kernels

BINS = 1 << 16
# Around the sizes of a block and of a stretch, and what lies between.
SIZES = st.one_of(st.integers(0, 70), st.sampled_from([4095, 4096, 4097, 4111, 8192, 9001]))
ANY = hnp.arrays(np.float32, st.integers(0, 100), elements=st.floats(width=32))


def update(isa: str, values: np.ndarray) -> tuple[tuple[float, float, int, int], np.ndarray]:
    bins = np.zeros(BINS, np.int64)
    return kernels(isa).sketch(values, bins), bins


@each_isa
@given(values=ANY)
def test_any_values(isa, values):
    found, bins = update(isa, values)
    assert numpy_sketch.same(found, numpy_sketch.ends(values))
    assert np.array_equal(bins, numpy_sketch.bins(values))


@each_isa
@given(size=SIZES, odd=st.sampled_from([np.nan, np.inf, -np.inf, -0.0, 3e38, -3e38, 1e-45]), data=st.data())
def test_one_odd_value_anywhere(isa, size, odd, data):
    values = np.random.default_rng(size).normal(size=size).astype(np.float32)
    if size:
        values[data.draw(st.integers(0, size - 1))] = odd
    found, bins = update(isa, values)
    assert numpy_sketch.same(found, numpy_sketch.ends(values))
    assert np.array_equal(bins, numpy_sketch.bins(values))


@each_isa
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -0.0, -1.5])
@pytest.mark.parametrize("size", [1, 16, 17, 5000])
def test_one_value_only(isa, value, size):
    values = np.full(size, value, np.float32)
    found, bins = update(isa, values)
    assert numpy_sketch.same(found, numpy_sketch.ends(values))
    assert np.array_equal(bins, numpy_sketch.bins(values))


@each_isa
def test_without_bins_the_ends_are_the_same(isa):
    values = np.random.default_rng(0).normal(size=999).astype(np.float32)
    assert kernels(isa).sketch(values, None) == update(isa, values)[0]


@given(ANY)
def test_bins_alone(values):
    bins = np.ones(BINS, np.int64)
    count_bins(values, bins)
    assert np.array_equal(bins - 1, numpy_sketch.bins(values))


@pytest.mark.parametrize("bins", [np.zeros(BINS - 1, np.int64), np.zeros(BINS, np.int32)])
def test_a_histogram_of_another_size_or_type_is_refused(bins):
    with pytest.raises((ValueError, TypeError)):
        count_bins(np.zeros(4, np.float32), bins)
    with pytest.raises((ValueError, TypeError)):
        kernels().sketch(np.zeros(4, np.float32), bins)
