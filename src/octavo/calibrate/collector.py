"""Feed one tensor's observer: every value for the ends, a fixed part of each sample for the histogram."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.ranges import Observer, RangeSketch
from octavo.ranges.cast import as_float32

# Values of one sample that the histogram counts: an even stride through larger tensors.
HISTOGRAM_VALUES = 512
_BUFFER = 1 << 16
_NOTHING = np.zeros(0, np.float32)


class Collector:
    """An observer behind a buffer, so that small tensors do not pay for a whole histogram each batch."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._whole: list[NDArray[np.float32]] = []
        self._parts: list[NDArray[np.float32]] = []
        self._size = 0

    def update(self, array: NDArray[Any], rows: int) -> None:
        """Take in a batch of `rows` samples."""
        if not isinstance(self._observer, RangeSketch):
            self._observer.update(array)
            return
        part = subsample(array, rows)
        if part.size == array.size:
            self._whole.append(part)
        else:
            self._observer.update(array, _NOTHING)
            self._parts.append(part)
        self._size += part.size
        if self._size >= _BUFFER:
            self.observer()

    def observer(self) -> Observer:
        """The observer with all that was taken in so far."""
        if self._whole:
            self._observer.update(np.concatenate(self._whole))
        if self._parts:
            self._observer.update(_NOTHING, np.concatenate(self._parts))
        self._whole, self._parts, self._size = [], [], 0
        return self._observer


def subsample(array: NDArray[Any], rows: int) -> NDArray[np.float32]:
    """A flat copy of every k-th value of each sample, k odd, so that at most `HISTOGRAM_VALUES` of each remain.

    The choice depends on the size of a sample alone: however samples are batched, the same values count,
    also where the first axis holds samples times tokens. Where samples lie along another axis, that is
    so for those of up to `HISTOGRAM_VALUES` values; beyond, other values of the same number may count.
    """
    per_sample = array.reshape(rows, -1) if rows and array.size % rows == 0 else array.reshape(1, -1)
    stride = -(-per_sample.shape[1] // HISTOGRAM_VALUES)
    # An odd stride does not fall in step with channels and rows, whose counts are mostly even.
    return as_float32(per_sample[:, :: stride | 1].copy())
