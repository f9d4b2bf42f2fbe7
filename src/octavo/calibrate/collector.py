"""Feed one tensor's observer: every value for the ends, a fixed part of each sample for the histogram."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from octavo.ranges import Observer

# Values of one sample that the histogram counts: an even stride through larger tensors.
HISTOGRAM_VALUES = 512


def collect(observer: Observer, array: NDArray[Any], samples: int) -> None:
    """Take in a batch of so many samples.

    Which values the histogram counts depends on the size of a sample alone: however samples are batched, the
    same ones do, also where the first axis holds samples times tokens. Where samples lie along another axis,
    that is so for those of up to `HISTOGRAM_VALUES` values; beyond, other values of the same number may count.
    """
    rows = samples if samples and array.size % samples == 0 else 1
    stride = stride_through(array.size // rows)
    # Of values that all count, nobody asks in which sample they lie.
    observer.update(array, rows=rows if stride > 1 else 1, stride=stride)


def stride_through(size: int) -> int:
    """Odd, and such that of so many values at most `HISTOGRAM_VALUES` count."""
    # An odd stride does not fall in step with channels and rows, whose counts are mostly even.
    return -(-size // HISTOGRAM_VALUES) | 1
