"""The native range sketch update equals the NumPy one, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.helpers import numpy_sketch
from tests.helpers.instruction_sets import each_isa

from octavo.native import kernels

BINS = 1 << 16
# Around the sizes of a block and of a chunk, and between.
SIZES = st.one_of(st.integers(0, 70), st.sampled_from([4095, 4096, 4097, 4111, 8192, 9001]))
ANY = hnp.arrays(np.float32, st.integers(0, 100), elements=st.floats(width=32))


def update(isa: str, values: np.ndarray) -> tuple[tuple[float, float, int, int], np.ndarray]:
    bins = np.zeros(BINS, np.int64)
    return kernels(isa).sketch(values, 1, 1, bins), bins


@each_isa
@given(values=ANY)
def test_arbitrary_values(isa, values):
    ends, bins = update(isa, values)
    assert numpy_sketch.same(ends, numpy_sketch.ends(values))
    assert np.array_equal(bins, numpy_sketch.bins(values))


@each_isa
@given(size=SIZES, odd=st.sampled_from([np.nan, np.inf, -np.inf, -0.0, 3e38, -3e38, 1e-45]), data=st.data())
def test_one_non_finite_value_anywhere(isa, size, odd, data):
    values = np.random.default_rng(size).normal(size=size).astype(np.float32)
    if size:
        values[data.draw(st.integers(0, size - 1))] = odd
    ends, bins = update(isa, values)
    assert numpy_sketch.same(ends, numpy_sketch.ends(values))
    assert np.array_equal(bins, numpy_sketch.bins(values))


@each_isa
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -0.0, -1.5])
@pytest.mark.parametrize("size", [1, 16, 17, 5000])
def test_single_value(isa, value, size):
    values = np.full(size, value, np.float32)
    ends, bins = update(isa, values)
    assert numpy_sketch.same(ends, numpy_sketch.ends(values))
    assert np.array_equal(bins, numpy_sketch.bins(values))


@each_isa
@given(rows=st.integers(1, 5), length=SIZES, stride=st.sampled_from([1, 2, 3, 17, 4097, 10_000]))
def test_histogram_stride(isa, rows, length, stride):
    values = np.random.default_rng(length).normal(size=(rows, length)).astype(np.float32)
    bins = np.zeros(BINS, np.int64)
    ends = kernels(isa).sketch(values.reshape(-1), rows, stride, bins)
    assert numpy_sketch.same(ends, numpy_sketch.ends(values))
    assert np.array_equal(bins, numpy_sketch.bins(values[:, ::stride].reshape(-1)))


@pytest.mark.parametrize("bins", [np.zeros(BINS - 1, np.int64), np.zeros(BINS, np.int32)])
def test_wrong_histogram_is_refused(bins):
    with pytest.raises((ValueError, TypeError)):
        kernels().sketch(np.zeros(4, np.float32), 1, 1, bins)


@pytest.mark.parametrize(("rows", "stride"), [(0, 1), (3, 1), (2, 0)])
def test_indivisible_rows_are_refused(rows, stride):
    with pytest.raises(ValueError, match="do not divide"):
        kernels().sketch(np.zeros(4, np.float32), rows, stride, np.zeros(BINS, np.int64))
