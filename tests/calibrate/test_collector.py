"""Values that a collector passes to its observer: all for the bounds, a fixed subset per sample for the histogram."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.calibration import SIZES, values
from tests.helpers.distributions import sketch_of

from octavo.calibrate.collector import HISTOGRAM_VALUES, collect, stride_through
from octavo.ranges import RangeSketch
from octavo.ranges.fbgemm_histogram import FbgemmHistogram
from octavo.ranges.moving_average import MovingAverage


def collected(*batches: tuple[np.ndarray, int]) -> RangeSketch:
    sketch = RangeSketch()
    for array, samples in batches:
        collect(sketch, array, samples)
    return sketch


def subsample(array: np.ndarray, rows: int) -> np.ndarray:
    """The counted values of all samples, concatenated."""
    parts = array.reshape(rows, -1)
    return parts[:, :: stride_through(parts.shape[1])].reshape(-1)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, HISTOGRAM_VALUES))
def test_small_samples_are_counted_completely_in_any_batching(batches, size):
    arrays = [values(rows, size) for rows in batches]
    sketch = collected(*((array, len(array)) for array in arrays))
    assert sketch.to_bytes() == sketch_of(*arrays).to_bytes()


@given(st.integers(1, 6), SIZES)
def test_the_histogram_counts_the_same_part_of_each_sample(rows, size):
    array = values(rows, size)
    expected = sketch_of(subsample(array, rows))
    sketch = collected((array, rows))
    assert np.array_equal(sketch.histogram()[2], expected.histogram()[2])
    assert (sketch.min, sketch.max, sketch.count) == (array.min(), array.max(), array.size)


@given(st.integers(1, 6), SIZES)
def test_the_counted_values_of_a_sample_do_not_depend_on_other_samples(rows, size):
    array = values(rows, size)
    individually = collected(*((row[None], 1) for row in array))
    assert collected((array, rows)).to_bytes() == individually.to_bytes()


@given(st.integers(1, 5), st.integers(1, 9), SIZES)
def test_tokens_merged_into_the_first_axis_count_with_their_sample(rows, tokens, size):
    array = values(rows, tokens, size)
    merged = array.reshape(rows * tokens, size)
    assert collected((merged, rows)).to_bytes() == collected((array, rows)).to_bytes()


@given(SIZES)
def test_the_number_of_counted_values_of_a_large_sample_is_bounded_on_both_sides(size):
    counted = subsample(np.arange(size, dtype=np.float32)[None], 1)
    assert min(size, HISTOGRAM_VALUES / 3) <= counted.size <= HISTOGRAM_VALUES
    assert np.unique(counted).size == counted.size


@pytest.mark.parametrize("shape", [(64, 56, 56), (56, 56, 64), (3, 224, 224), (1280, 7, 7), (512, 768)])
def test_every_channel_of_a_large_sample_is_counted(shape: tuple[int, ...]) -> None:
    axis = int(np.argmin(np.abs(np.array(shape) - 64)))
    channels = shape[axis]
    index = np.arange(channels).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    counted = subsample(np.broadcast_to(index, shape).astype(np.float32)[None], 1)
    counts = np.bincount(counted.astype(int), minlength=channels)
    assert counts.min() >= 0.5 * counted.size / channels - 1
    assert counts.max() <= 2 * counted.size / channels + 1


@given(st.integers(0, 4999), st.sampled_from([-1e30, 1e30]))
def test_an_extreme_anywhere_in_a_large_sample_is_a_bound(index, extreme):
    array = values(2, 5000)
    array[1, index] = extreme
    sketch = collected((array, 2))
    assert (sketch.min, sketch.max, sketch.count) == (array.min(), array.max(), 10_000)


def test_an_array_may_be_overwritten_after_collection() -> None:
    for array in (values(3, 10), values(3, 5000)):
        sketch = collected((array, 3))
        before = sketch.to_bytes()
        array[:] = 7e7
        assert sketch.to_bytes() == before


@pytest.mark.parametrize("kind", [MovingAverage, FbgemmHistogram])
def test_pytorch_observers_see_whole_batches_in_order(kind: type) -> None:
    observer, expected = kind(), kind()
    for array in (values(2, 3000), values(4, 3000) * 3, values(1, 3000) - 1):
        collect(observer, array, len(array))
        expected.update(array)
    assert observer.to_bytes() == expected.to_bytes()


def test_scalars_and_empty_batches_are_accepted() -> None:
    empty = np.zeros((0, 5), np.float32)
    sketch = collected((empty, 0), (empty.T, 5), (np.float32(3.5).reshape(()), 2))
    assert sketch.to_bytes() == sketch_of(np.float32([3.5])).to_bytes()
