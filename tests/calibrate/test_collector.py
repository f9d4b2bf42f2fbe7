"""What a collector hands to its observer: every value for the ends, the same few of each sample for the histogram."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.calibrate.calibrating import sketched

from octavo.calibrate.collector import HISTOGRAM_VALUES, Collector, subsample
from octavo.ranges import RangeSketch
from octavo.ranges.fbgemm_histogram import FbgemmHistogram
from octavo.ranges.moving_average import MovingAverage

SIZES = st.one_of(st.integers(1, 40), st.sampled_from([511, 512, 513, 1023, 1024, 1536, 5000]))


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, HISTOGRAM_VALUES), st.data())
def test_small_samples_are_counted_whole_however_they_come(batches, size, data):
    collector, given_arrays = Collector(RangeSketch()), []
    for rows in batches:
        given_arrays.append(values(rows, size))
        collector.update(given_arrays[-1], rows)
        if data.draw(st.booleans()):
            collector.observer()
    assert collector.observer().to_bytes() == sketched(*given_arrays).to_bytes()


@given(st.integers(1, 6), SIZES)
def test_what_counts_of_a_sample_does_not_depend_on_the_others(rows, size):
    array = values(rows, size)
    alone = np.concatenate([subsample(row[None], 1) for row in array])
    assert np.array_equal(subsample(array, rows), alone)


@given(st.integers(1, 5), st.integers(1, 9), SIZES)
def test_tokens_merged_into_the_first_axis_count_with_their_sample(rows, tokens, size):
    array = values(rows, tokens, size)
    assert np.array_equal(subsample(array.reshape(rows * tokens, size), rows), subsample(array, rows))


@given(SIZES)
def test_of_a_large_sample_a_bounded_part_counts_and_at_least_a_third_of_that(size):
    found = subsample(np.arange(size, dtype=np.float32)[None], 1)
    assert min(size, HISTOGRAM_VALUES / 3) <= found.size <= HISTOGRAM_VALUES
    assert np.unique(found).size == found.size


@pytest.mark.parametrize("shape", [(64, 56, 56), (56, 56, 64), (3, 224, 224), (1280, 7, 7), (512, 768)])
def test_every_channel_of_a_large_sample_is_heard(shape: tuple[int, ...]) -> None:
    axis = int(np.argmin(np.abs(np.array(shape) - 64)))
    channels = shape[axis]
    index = np.arange(channels).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    found = subsample(np.broadcast_to(index, shape).astype(np.float32)[None], 1)
    counts = np.bincount(found.astype(int), minlength=channels)
    assert counts.min() >= 0.5 * found.size / channels - 1
    assert counts.max() <= 2 * found.size / channels + 1


@given(st.integers(0, 4999), st.sampled_from([-1e30, 1e30]))
def test_an_extreme_anywhere_in_a_large_sample_is_an_end(place, extreme):
    array = values(2, 5000)
    array[1, place] = extreme
    collector = Collector(RangeSketch())
    collector.update(array, 2)
    sketch = collector.observer()
    assert (sketch.min, sketch.max, sketch.count) == (array.min(), array.max(), 10_000)


def test_an_array_may_be_overwritten_once_it_was_taken_in() -> None:
    small, large = values(3, 10), values(3, 5000)
    kept = [small.copy(), large.copy()]
    reused, honest = Collector(RangeSketch()), Collector(RangeSketch())
    for array, copy in zip((small, large), kept, strict=True):
        reused.update(array, 3)
        honest.update(copy, 3)
        array[:] = 7e7
    assert reused.observer().to_bytes() == honest.observer().to_bytes()


@pytest.mark.parametrize("kind", [MovingAverage, FbgemmHistogram])
def test_observers_of_pytorchs_kind_see_whole_batches_in_their_order(kind: type) -> None:
    collector, direct = Collector(kind()), kind()
    for array in (values(2, 3000), values(4, 3000) * 3, values(1, 3000) - 1):
        collector.update(array, len(array))
        direct.update(array)
    assert collector.observer().to_bytes() == direct.to_bytes()


def test_scalars_and_empty_batches_are_taken_in() -> None:
    collector = Collector(RangeSketch())
    collector.update(np.float32([]).reshape(0, 5), 0)
    collector.update(np.float32([]).reshape(2, 0), 2)
    collector.update(np.float32(3.5), 2)
    assert collector.observer().to_bytes() == sketched(np.float32([3.5])).to_bytes()
