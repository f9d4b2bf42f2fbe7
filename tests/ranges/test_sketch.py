"""The range sketch: exact bounds and counts; merging is a commutative monoid on its bytes."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from tests.helpers.distributions import sketch_of

from octavo.ranges import RangeSketch

Floats = NDArray[np.float32]

ANY = hnp.arrays(np.float32, st.integers(0, 200), elements=st.floats(width=32))
FINITE = hnp.arrays(np.float32, st.integers(1, 200), elements=st.floats(width=32, allow_nan=False)).map(
    lambda a: np.where(np.isfinite(a), a, np.float32(1))
)


@given(ANY, st.lists(st.integers(0, 200), max_size=4), st.randoms(use_true_random=False))
def test_any_split_and_order_gives_the_same_bytes(values, cuts, random):
    parts = np.split(values, sorted(cuts))
    random.shuffle(parts)
    merged = RangeSketch()
    for part in parts:
        merged = sketch_of(part).merge(merged) if random.random() < 0.5 else merged.merge(sketch_of(part))
    assert merged.to_bytes() == sketch_of(*parts).to_bytes() == sketch_of(values).to_bytes()


@given(ANY, ANY, ANY)
def test_merging_is_associative_commutative_and_has_a_unit(first, second, third):
    a, b, c = sketch_of(first), sketch_of(second), sketch_of(third)
    before = a.to_bytes()
    assert a.merge(b).merge(c).to_bytes() == a.merge(b.merge(c)).to_bytes()
    assert a.merge(b).to_bytes() == b.merge(a).to_bytes()
    assert a.merge(RangeSketch()).to_bytes() == before
    assert a.to_bytes() == before


@given(ANY)
def test_bounds_and_counts_are_exact(values):
    sketch = sketch_of(values)
    finite = values[np.isfinite(values)]
    assert sketch.count == values.size
    assert sketch.nan_count == np.isnan(values).sum()
    assert sketch.inf_count == np.isinf(values).sum()
    assert sketch.empty == (finite.size == 0)
    assert sketch.min == (finite.min() if finite.size else 0.0)
    assert sketch.max == (finite.max() if finite.size else 0.0)


@given(ANY)
def test_histogram_counts_every_finite_value_within_its_bin(values):
    sketch = sketch_of(values)
    low, high, counts = sketch.histogram()
    finite = np.sort(values[np.isfinite(values)]).astype(np.float64)
    assert counts.sum() == finite.size
    assert bool(np.all(np.diff(low) >= 0))
    assert bool(np.all(np.repeat(low, counts) <= finite))
    assert bool(np.all(finite <= np.repeat(high, counts)))


@given(FINITE, st.integers(0, 7))
def test_the_width_of_bins_is_bounded_by_their_mantissa_bits(values, bits):
    low, high, counts = sketch_of(values).histogram(bits)
    normal = np.minimum(np.abs(low), np.abs(high)) >= np.finfo(np.float32).tiny
    inner = np.minimum(np.abs(low), np.abs(high))[normal]
    assert bool(np.all((high - low)[normal] <= inner * 2.0**-bits))
    assert counts.sum() == values.size


@given(FINITE, st.integers(0, 6))
def test_wider_bins_count_the_same_values(values, bits):
    low, high, counts = sketch_of(values).histogram(bits)
    ordered = np.sort(values).astype(np.float64)
    assert bool(np.all(np.repeat(low, counts) <= ordered))
    assert bool(np.all(ordered <= np.repeat(high, counts)))


@given(ANY)
def test_size_does_not_grow_with_the_number_of_values(values):
    of_one_time = sketch_of(values)
    of_five_times = sketch_of(*[values] * 5)
    assert len(of_five_times.to_bytes()) == len(of_one_time.to_bytes())
    assert len(of_one_time.to_bytes()) == len(RangeSketch().to_bytes()) + 10 * np.unique(bins_of(values)).size


def bins_of(values: Floats) -> NDArray[np.uint32]:
    return values[np.isfinite(values)].view(np.uint32) >> np.uint32(16)


@given(ANY)
def test_bytes_round_trip(values):
    data = sketch_of(values).to_bytes()
    assert RangeSketch.from_bytes(data).to_bytes() == data


@given(ANY, ANY)
def test_a_restored_sketch_continues(first, second):
    restored = RangeSketch.from_bytes(sketch_of(first).to_bytes())
    restored.update(second)
    assert restored.to_bytes() == sketch_of(first, second).to_bytes()


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data):
    with pytest.raises(ValueError, match="range sketch"):
        RangeSketch.from_bytes(data)


@given(FINITE, st.data())
def test_a_damaged_sketch_is_refused_or_consistent(values, data):
    content = bytearray(sketch_of(values).to_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        sketch = RangeSketch.from_bytes(bytes(content))
    except ValueError:
        return
    assert sketch.min <= sketch.max
    assert bool(np.all(sketch.histogram()[2] > 0))


@pytest.mark.parametrize("length", [0, 3, 40, -1])
def test_a_truncated_sketch_is_refused(length):
    with pytest.raises(ValueError, match="range sketch"):
        RangeSketch.from_bytes(sketch_of(np.arange(9, dtype=np.float32)).to_bytes()[:length])


def test_bounds_that_contradict_the_counts_are_refused():
    data = bytearray(sketch_of(np.array([1.0, 2.0], np.float32)).to_bytes())
    data[8:16] = struct.pack("<ff", np.inf, -np.inf)
    with pytest.raises(ValueError, match="ends"):
        RangeSketch.from_bytes(bytes(data))


def test_a_subset_gives_the_histogram_and_all_values_the_bounds():
    array = np.arange(1000, dtype=np.float32)
    sketch = RangeSketch()
    sketch.update(array, rows=2, stride=10)
    assert (sketch.min, sketch.max, sketch.count) == (0.0, 999.0, 1000)
    assert sketch.histogram()[2].sum() == 100


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8, np.int64, np.bool_])
def test_other_types_are_converted(dtype):
    values = np.array([[0, 1], [1, 0]], dtype)
    assert sketch_of(values).to_bytes() == sketch_of(values.astype(np.float32)).to_bytes()


def test_strided_arrays_are_equivalent_to_their_copies():
    values = np.arange(120, dtype=np.float32).reshape(10, 12)
    assert sketch_of(values.T[::3]).to_bytes() == sketch_of(values.T[::3].copy()).to_bytes()


def test_float32_overflow_counts_as_infinite():
    sketch = sketch_of(np.array([1e300, -1e300, 1.0]))
    assert (sketch.inf_count, sketch.min, sketch.max) == (2, 1.0, 1.0)


def test_bounds_do_not_depend_on_the_sign_of_zero():
    negative = sketch_of(np.array([-0.0, 0.0], np.float32))
    assert negative.to_bytes() == sketch_of(np.array([0.0, -0.0], np.float32)).to_bytes()
    assert np.signbit(negative.min) == np.False_


def test_many_values_are_counted_across_chunks():
    values = np.random.default_rng(0).normal(size=200_001).astype(np.float32)
    sketch = sketch_of(values)
    keys, counts = np.unique(bins_of(values), return_counts=True)
    assert sketch.histogram()[2].sum() == values.size
    assert sorted(sketch.histogram()[2]) == sorted(counts)
    assert keys.size == counts.size
