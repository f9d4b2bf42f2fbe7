"""Range sketch: exact minimum and maximum, and a log-linear histogram; mergeable in any order.

The histogram's bins are the float32 values that share sign, exponent and the top seven bits of the
mantissa: the upper sixteen bits of the number. So no range is needed in advance, nothing is rescaled,
the relative error is at most 2**-7, and sketches form a commutative monoid: merging in any order or
split gives identical bytes. (Compare DDSketch, Masson et al. 2019.)
"""

from __future__ import annotations

import struct
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from octavo.native import Sketches, kernels
from octavo.ranges.cast import as_float32

_BINS = 1 << 16
_HEADER = struct.Struct("<4sHHffQQQI")
_MAGIC, _VERSION, _MANTISSA_BITS = b"OCTR", 1, 7
_LARGEST_COUNT = 2**62


class RangeSketch:
    """Statistics of the values of a tensor: min, max, counts, histogram.

    Attributes:
        min, max: exact over all finite values, float32; 0.0 when there are none.
        count: number of values, finite or not.
        nan_count, inf_count: number of NaN and infinite values; excluded from min, max and histogram.
    """

    def __init__(self) -> None:
        self._low, self._high = np.inf, -np.inf
        self.count = self.nan_count = self.inf_count = 0
        self._bins = np.zeros(_BINS, np.int64)

    @property
    def empty(self) -> bool:
        """Whether no finite value was observed."""
        return self._low > self._high

    @property
    def varies(self) -> bool:
        """Whether two different finite values were observed."""
        return self._low < self._high

    @property
    def min(self) -> float:
        """The smallest finite value."""
        return 0.0 if self.empty else self._low

    @property
    def max(self) -> float:
        """The largest finite value."""
        return 0.0 if self.empty else self._high

    def update(self, array: NDArray[Any], *, rows: int = 1, stride: int = 1) -> None:
        """Accumulate values of any shape, converted to float32.

        Args:
            array: values; min, max and the counts are exact.
            rows: number of equal consecutive parts of `array`.
            stride: the histogram counts every `stride`-th value of each part, from the first on.
        """
        values = as_float32(array)
        low, high, nans, infs = kernels().sketch(values, rows, stride, self._bins)
        self.count += values.size
        self.nan_count += nans
        self.inf_count += infs
        self._low, self._high = min(self._low, low), max(self._high, high)

    def lend(self, sketches: Sketches, tensor: int) -> None:
        """Let native code continue this sketch as number `tensor`, in this histogram; call `settle` afterwards."""
        sketches.start(tensor, self._bins, (self._low, self._high, self.count, self.nan_count, self.inf_count))

    def settle(self, sketches: Sketches, tensor: int) -> None:
        """Copy the bounds and counts back from native code after `lend`."""
        self._low, self._high, self.count, self.nan_count, self.inf_count = sketches.state(tensor)

    def merge(self, other: RangeSketch) -> RangeSketch:
        """The sketch of the values of both; neither is modified."""
        merged = RangeSketch()
        merged._low, merged._high = min(self._low, other._low), max(self._high, other._high)
        merged.count = self.count + other.count
        merged.nan_count = self.nan_count + other.nan_count
        merged.inf_count = self.inf_count + other.inf_count
        merged._bins = self._bins + other._bins
        return merged

    def histogram(
        self, mantissa_bits: int = _MANTISSA_BITS
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Occupied bins in ascending order: lower edges, upper edges (within [min, max]), counts.

        Args:
            mantissa_bits: 0 to 7; fewer bits give fewer, wider bins.
        """
        drop = 16 + _MANTISSA_BITS - mantissa_bits
        occupied = np.flatnonzero(self._bins)
        keys = occupied >> (drop - 16)
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        keys = keys[starts]
        counts = np.add.reduceat(self._bins[occupied], starts) if starts.size else np.zeros(0, np.int64)
        inner = _bits_to_float(keys << drop)
        outer = np.minimum(_bits_to_float((keys + 1) << drop), float(np.finfo(np.float32).max))
        split = int(np.searchsorted(keys, 1 << (31 - drop)))
        # The bits of negative values sort in descending order, so reverse that half and put it first.
        low = np.concatenate([-outer[split:][::-1], inner[:split]])
        high = np.concatenate([-inner[split:][::-1], outer[:split]])
        counts = np.concatenate([counts[split:][::-1], counts[:split]])
        return np.clip(low, self.min, self.max), np.clip(high, self.min, self.max), counts

    def to_bytes(self) -> bytes:
        """Canonical serialization: equal sketches give equal bytes."""
        keys = np.flatnonzero(self._bins)
        header = _HEADER.pack(
            _MAGIC, _VERSION, _MANTISSA_BITS, self._low, self._high,
            self.count, self.nan_count, self.inf_count, keys.size,
        )  # fmt: skip
        return header + keys.astype("<u2").tobytes() + self._bins[keys].astype("<i8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Deserialize the result of `to_bytes`.

        Raises:
            ValueError: the bytes are not a sketch of this version.
        """
        if len(data) < _HEADER.size:
            raise ValueError("a range sketch is cut short")
        magic, version, mantissa, low, high, count, nans, infs, size = _HEADER.unpack_from(data)
        if (magic, version, mantissa) != (_MAGIC, _VERSION, _MANTISSA_BITS):
            raise ValueError("not a range sketch of this version")
        if len(data) != _HEADER.size + 10 * size or size > _BINS:
            raise ValueError("a range sketch has the wrong length")
        keys = np.frombuffer(data, "<u2", size, _HEADER.size).astype(np.int64)
        counts = np.frombuffer(data, "<i8", size, _HEADER.size + 2 * size)
        sketch = cls()
        sketch._low, sketch._high = low, high
        sketch.count, sketch.nan_count, sketch.inf_count = count, nans, infs
        sketch._bins[keys] = counts
        sketch._validate(keys, counts)
        return sketch

    def _validate(self, keys: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        if keys.size and (bool((np.diff(keys) <= 0).any()) or bool(((keys & 0x7FFF) >= 0x7F80).any())):
            raise ValueError("a range sketch has bins out of order or of values that are not finite")
        if bool((counts <= 0).any()) or max(self.count, counts.sum(dtype=np.float64)) > _LARGEST_COUNT:
            raise ValueError("a range sketch has a count that is not positive, or too large")
        finite = self.count - self.nan_count - self.inf_count
        ends_agree = (
            finite == keys.size == 0
            if (self._low, self._high) == (np.inf, -np.inf)
            else finite > 0 and -np.inf < self._low <= self._high < np.inf
        )
        if not ends_agree:
            raise ValueError("a range sketch has ends that do not agree with its counts")


def _bits_to_float(bits: NDArray[np.int64]) -> NDArray[np.float64]:
    """The magnitudes of float32 bit patterns; the sign is dropped."""
    return (bits & 0x7FFFFFFF).astype(np.uint32).view(np.float32).astype(np.float64)
