"""Exponential moving average of the minimum and maximum of each batch."""

from __future__ import annotations

import struct
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from octavo.affine import Grid
from octavo.ranges.cast import as_float32
from octavo.ranges.estimator import Estimator, Range

_AVERAGING = np.float32(0.01)
_LARGEST = np.finfo(np.float32).max
_STATE = struct.Struct("<4s?ff")
_MAGIC = b"OCTM"


class MovingAverage:
    """Moving average of batch minima and maxima, as PyTorch's MovingAverageMinMaxObserver.

    Depends on the order of the batches, so it cannot be merged.
    """

    def __init__(self) -> None:
        self.low = self.high = np.float32(0)
        self.empty = True

    @property
    def varies(self) -> bool:
        """Whether two different finite values were observed."""
        return not self.empty and bool(self.low < self.high)

    def update(self, array: NDArray[Any], *, rows: int = 1, stride: int = 1) -> None:
        """Move the bounds by 1% towards the minimum and maximum of the batch; the first batch sets them."""
        values = as_float32(array)
        values = values[np.isfinite(values)]
        if values.size == 0:
            return
        low, high = values.min(), values.max()
        if not self.empty:
            low, high = _average(self.low, low), _average(self.high, high)
        self.low, self.high, self.empty = low, high, False

    def to_bytes(self) -> bytes:
        """Serialize the bounds."""
        return _STATE.pack(_MAGIC, self.empty, self.low, self.high)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Deserialize the result of `to_bytes`.

        Raises:
            ValueError: the bytes are not a valid state.
        """
        if len(data) != _STATE.size or data[:4] != _MAGIC:
            raise ValueError("not a moving average")
        observer = cls()
        _, observer.empty, low, high = _STATE.unpack(data)
        if not -np.inf < low <= high < np.inf:
            raise ValueError("a moving average has bounds that are not a range")
        observer.low, observer.high = np.float32(low), np.float32(high)
        return observer


def moving_average() -> Estimator:
    """Moving average of the minimum and maximum over the batches in order."""
    return Estimator("moving_average", MovingAverage, _choose, mergeable=False)


def _choose(observer: MovingAverage, grid: Grid, symmetric: bool) -> Range:
    return float(observer.low), float(observer.high)


def _average(bound: np.float32, batch: np.float32) -> np.float32:
    with np.errstate(over="ignore"):
        average = bound + _AVERAGING * (batch - bound)
    # The difference may overflow float32: saturate.
    return np.clip(average, -_LARGEST, _LARGEST)
