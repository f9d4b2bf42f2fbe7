"""Update one tensor's observer: all values for min and max, a fixed subsample for the histogram."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from octavo.ranges import Observer

# Most values of one sample that the histogram counts; larger tensors are subsampled with a constant stride.
HISTOGRAM_VALUES = 512


def collect(observer: Observer, array: NDArray[Any], samples: int) -> None:
    """Accumulate a batch of `samples` samples.

    The subsample depends on the size of a sample only, not on how samples are batched, also where axis 0 holds
    samples times tokens. Where samples are along another axis, this holds for samples of up to `HISTOGRAM_VALUES`
    values; for larger ones the number of counted values is the same, but not the values.
    """
    rows = samples if samples and array.size % samples == 0 else 1
    stride = stride_through(array.size // rows)
    # At stride 1 all values count, in whichever row.
    observer.update(array, rows=rows if stride > 1 else 1, stride=stride)


def stride_through(size: int) -> int:
    """The least odd stride that counts at most `HISTOGRAM_VALUES` of `size` values."""
    # Odd, because numbers of channels and rows are mostly even.
    return -(-size // HISTOGRAM_VALUES) | 1
