"""The range that PyTorch's HistogramObserver, the default of its fbgemm qconfig, chooses.

A histogram of 2048 bins that is resampled as the range grows, and a search that removes quantiles from
either end while the expected L2 error decreases (fbgemm's NonlinearQuantizationParamsSearch).

Every operation is that of torch/ao/quantization/observer.py on a CPU with fused multiply-add, in float32
and in the same order: bins, scale and zero point were bit-identical to PyTorch 2.13 in all of 500 random runs of
1 to 8 batches. It differs where PyTorch's result is NaN or undefined: NaN values are ignored, and a range whose
width overflows float32 is used whole.
"""

from __future__ import annotations

import struct
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from octavo.affine import Grid
from octavo.ranges.cast import as_float32
from octavo.ranges.estimator import Estimator, Range

_BINS, _UPSAMPLE, _STEP, _LEVELS = 2048, 16, 1e-5, 256
_STATE = struct.Struct("<4sff")
_MAGIC = b"OCTF"
Floats = NDArray[np.float32]


class FbgemmHistogram:
    """State of PyTorch's HistogramObserver: bounds and 2048 equal bins between them, float32.

    Resampling depends on the order of the batches, so the state cannot be merged.
    """

    def __init__(self) -> None:
        self.low, self.high = np.float32(np.inf), np.float32(-np.inf)
        self.bins: Floats = np.zeros(_BINS, np.float32)

    @property
    def empty(self) -> bool:
        """Whether no finite value was observed."""
        return bool(self.low > self.high)

    @property
    def varies(self) -> bool:
        """Whether two different finite values were observed."""
        return bool(self.low < self.high)

    def update(self, array: NDArray[Any], *, rows: int = 1, stride: int = 1) -> None:
        """Count every finite value of the batch; resample the histogram where the range has grown."""
        values = as_float32(array)
        values = values[np.isfinite(values)]
        if values.size == 0:
            return
        low, high = np.minimum(self.low, values.min()), np.maximum(self.high, values.max())
        counted = _count(values, low, high)
        if not self.empty:
            counted = counted + self._resampled(low, high)
        self.low, self.high, self.bins = low, high, counted.astype(np.float32)

    def to_bytes(self) -> bytes:
        """Serialize bounds and bins."""
        return _STATE.pack(_MAGIC, self.low, self.high) + self.bins.astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Deserialize the result of `to_bytes`.

        Raises:
            ValueError: the bytes are not a valid state.
        """
        if len(data) != _STATE.size + 4 * _BINS or data[:4] != _MAGIC:
            raise ValueError("not a histogram of this form")
        observer = cls()
        _, low, high = _STATE.unpack_from(data)
        observer.low, observer.high = np.float32(low), np.float32(high)
        observer.bins = np.frombuffer(data, "<f4", _BINS, _STATE.size).astype(np.float32)
        unused = (low, high) == (np.inf, -np.inf) and not observer.bins.any()
        if not unused and not -np.inf < low <= high < np.inf:
            raise ValueError("a histogram has ends that are not a range")
        if not bool(((observer.bins >= 0) & np.isfinite(observer.bins)).all()):
            raise ValueError("a histogram has a count that is negative or not finite")
        return observer

    def _resampled(self, low: np.float32, high: np.float32) -> Floats:
        """The old histogram over the new range: each bin is split into 16 parts, assigned by their centers."""
        if (low, high) == (self.low, self.high):
            return self.bins
        if not np.isfinite(_span(low, high)):
            return self.bins
        if self.low == self.high:
            return _count(np.array([self.low]), low, high) * np.float32(_sum(self.bins))
        fine = np.repeat(self.bins, _UPSAMPLE) / np.float32(_UPSAMPLE)
        width = (self.high - self.low) / np.float32(_BINS * _UPSAMPLE)
        centers = _linspace(self.low, self.high, _BINS * _UPSAMPLE)[:-1] + np.float32(0.5) * width
        index = np.searchsorted(_linspace(low, high, _BINS), centers, side="right") - 1
        resampled = np.zeros(_BINS, np.float32)
        # Not bincount, which accumulates in float64.
        np.add.at(resampled, np.clip(index, 0, _BINS - 1), fine)
        return resampled


def fbgemm_histogram() -> Estimator:
    """The range of PyTorch's default fbgemm qconfig."""
    return Estimator("fbgemm_histogram", FbgemmHistogram, _choose, mergeable=False)


def _choose(observer: FbgemmHistogram, grid: Grid, symmetric: bool) -> Range:
    if observer.empty:
        return 0.0, 0.0
    # PyTorch returns NaN where the width overflows float32; use the whole range instead.
    if not np.isfinite(_span(observer.low, observer.high)):
        return float(observer.low), float(observer.high)
    # Subnormal widths overflow to NaN, which never compares less: as in PyTorch.
    with np.errstate(all="ignore"):
        first, last = _search(observer)
    width = (observer.high - observer.low) / np.float32(_BINS)
    return float(observer.low + width * np.float32(first)), float(observer.low + width * np.float32(last + 1))


def _search(observer: FbgemmHistogram) -> tuple[int, int]:
    """Indices of the first and the last bin to keep."""
    total = _sum(observer.bins)
    cumulative: list[float] = np.cumsum(observer.bins, dtype=np.float64).astype(np.float32).tolist()
    alpha, beta, first, last, least = 0.0, 1.0, 0, _BINS - 1, np.inf
    while alpha < beta:
        left, right = first, last
        below, above = float(np.float32((alpha + _STEP) * total)), float(np.float32((beta - _STEP) * total))
        while left < last and cumulative[left] < below:
            left += 1
        while right > first and cumulative[right] > above:
            right -= 1
        if left - first > last - right:
            alpha += _STEP
            candidate = left, last
        else:
            beta -= _STEP
            candidate = first, right
        if candidate == (first, last):
            continue
        error = _error(observer, *candidate)
        if error > least:
            break
        least = error
        first, last = candidate
    return first, last


def _error(observer: FbgemmHistogram, first: int, last: int) -> float:
    """The expected squared error of 256 levels over bins first..last, values uniform within a bin.

    The search stops at the first candidate that is worse than the previous one, often by one ulp, so every operation
    and their order are those of PyTorch.
    """
    wide = (float(observer.high) - float(observer.low)) / _BINS
    level = wide * (last - first + 1) / _LEVELS
    if level == 0.0:
        return 0.0
    width, step, half = np.float32(wide), np.float32(level), np.float32(level / 2)
    begin = (np.arange(_BINS) - first).astype(np.float32) * width
    end = begin + width
    begin_level = np.clip(np.floor_divide(begin, step), 0, _LEVELS - 1)
    end_level = np.clip(np.floor_divide(end, step), 0, _LEVELS - 1)
    density = observer.bins / width
    error = _norm(begin - (begin_level + np.float32(0.5)) * step, half, density)
    error += (end_level - begin_level - np.float32(1)) * _norm(-half, half, density)
    error += _norm(-half, end - (end_level * step + half), density)
    return _sum(error)


def _norm(begin: Floats | np.float32, end: Floats | np.float32, density: Floats) -> Floats:
    """Density times the integral of x**2 from `begin` to `end`."""
    result: Floats = density * ((end * end * end - begin * begin * begin) / np.float32(3))
    return result


def _sum(values: Floats) -> float:
    """Sum of 2048 float32 values in the order of torch.sum.

    Each of 32 lanes accumulates 4 blocks of 16 rows; then the lanes are reduced in groups of eight, then sequentially.
    Uses cumsum because the order of NumPy's sum is unspecified.
    """
    blocks = np.cumsum(values.reshape(4, 16, 32), axis=1)[:, -1]
    lanes = np.cumsum(blocks, axis=0)[-1].reshape(4, 8)
    return float(np.cumsum(np.cumsum(lanes, axis=0)[-1])[-1])


def _count(values: Floats, low: np.float32, high: np.float32) -> Floats:
    """Counts in equal bins over [low, high] as torch.histc, in float32; a single point is widened by one."""
    if low == high:
        low, high = low - np.float32(1), high + np.float32(1)
    span = _span(low, high)
    # Undefined in PyTorch where the width underflows or overflows float32.
    if not 0 < span < np.inf:
        span, values = np.float32(1), np.full_like(values, low)
    index = ((values - low) / span * np.float32(_BINS)).astype(np.int64)
    return np.bincount(np.clip(index, 0, _BINS - 1), minlength=_BINS).astype(np.float32)


def _span(low: np.float32, high: np.float32) -> np.float32:
    with np.errstate(over="ignore"):
        return high - low


def _linspace(low: np.float32, high: np.float32, steps: int) -> Floats:
    """`steps` + 1 points, each a fused multiply-add from the nearer bound, as torch.linspace.

    float64 emulates the fused operation: the products are exact in it.
    """
    step = float((high - low) / np.float32(steps))
    index = np.arange(steps + 1)
    front, back = float(low) + step * index, float(high) - step * (steps - index)
    return np.where(index < (steps + 1) // 2, front, back).astype(np.float32)
