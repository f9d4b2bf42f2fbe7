"""Histograms of the values of a tensor on its grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.affine import QuantParams, dequantize, real_range
from octavo.measure.decibels import decibels
from octavo.ranges import FbgemmHistogram, Observer, RangeSketch

Doubles = NDArray[np.float64]

# Bins within the grid, and most bins in total: values far beyond the grid widen the bins.
_ON_GRID, _MAX_BINS = 64, 192
# Most bins of levels and most channels in a report; beyond, neighbours are merged.
_LEVELS = 128
_MAX_CHANNELS = 128


@dataclass(frozen=True)
class Histogram:
    """Shares of values in equal bins between `low` and `high`.

    With `integers` the bounds are integers of the grid, as for scales per channel; otherwise real numbers.
    """

    low: float
    high: float
    shares: list[float]
    integers: bool = False


@dataclass(frozen=True)
class Channels:
    """Minimum and maximum of each channel, or of each `step` neighbouring channels where there are many."""

    low: list[float]
    high: list[float]
    step: int = 1


def of_observer(observer: Observer, params: QuantParams) -> Histogram | None:
    """The histogram of an observer, with bins aligned to the grid; None where it keeps no histogram.

    Args:
        observer: observer after calibration.
        params: parameters of the tensor, per tensor.
    """
    if isinstance(observer, RangeSketch):
        low, high, counts = observer.histogram()
    elif isinstance(observer, FbgemmHistogram) and not observer.empty:
        edges = np.linspace(float(observer.low), float(observer.high), observer.bins.size + 1)
        low, high, counts = edges[:-1], edges[1:], observer.bins.astype(np.int64)
    else:
        return None
    if counts.sum() == 0:
        return None
    edges = _edges(params, float(low[0]), float(high[-1]))
    return Histogram(float(edges[0]), float(edges[-1]), _shares(low, high, counts, edges))


def of_integers(integers: NDArray[Any], params: QuantParams) -> Histogram:
    """The histogram of quantized values, with real bounds where the scale is per tensor.

    Args:
        integers: quantized values on the grid of `params`, any shape, not empty.
    """
    grid = params.grid
    width = -(-grid.levels // _LEVELS)
    counts = np.bincount(
        (integers.astype(np.int64).reshape(-1) - grid.qmin) // width, minlength=-(-grid.levels // width)
    )
    ends = grid.qmin - 0.5, grid.qmin - 0.5 + width * counts.size
    if params.axis is None:
        scale, zero_point = float(params.scale), int(params.zero_point)
        ends = scale * (ends[0] - zero_point), scale * (ends[1] - zero_point)
    return Histogram(*ends, _rounded(counts / max(integers.size, 1)), integers=params.axis is not None)


def channels(low: Doubles, high: Doubles) -> Channels:
    """Channels with these minima and maxima, merged where there are many."""
    step = -(-low.size // _MAX_CHANNELS) or 1
    starts = np.arange(0, low.size, step)
    if low.size == 0:
        return Channels([], [])
    return Channels(_rounded(np.minimum.reduceat(low, starts)), _rounded(np.maximum.reduceat(high, starts)), step)


def channels_of(array: NDArray[np.float32], axis: int) -> Channels:
    """Minimum and maximum of each channel of an array along an axis."""
    rows = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
    return channels(rows.min(axis=1).astype(np.float64), rows.max(axis=1).astype(np.float64))


def rounding_sqnr_db(array: NDArray[np.float32], integers: NDArray[Any], params: QuantParams) -> float:
    """10 log10(sum w^2 / sum (w - S (q - Z))^2) of an array w and its quantized values q."""
    error = array - dequantize(integers, params)
    flat, flat_error = array.reshape(-1), error.reshape(-1)
    return decibels(float(np.dot(flat, flat)), float(np.dot(flat_error, flat_error)))


def _edges(params: QuantParams, low: float, high: float) -> Doubles:
    """Edges of equal bins over the grid, extended to the values beyond it."""
    half = float(params.scale) / 2
    first, last = (float(end) for end in real_range(params))
    first, last = first - half, last + half
    width = max((last - first) / _ON_GRID, (max(high, last) - min(low, first)) / _MAX_BINS)
    before, after = (int(np.ceil(max(beyond, 0.0) / width)) for beyond in (first - low, high - last))
    inner = int(np.ceil((last - first) / width))
    return np.asarray(first + width * np.arange(-before, inner + after + 1), np.float64)


def _shares(low: Doubles, high: Doubles, counts: NDArray[np.int64], edges: Doubles) -> list[float]:
    """Shares in coarse bins of counts in fine bins, uniform within a fine bin."""
    total = np.cumsum(counts)
    places = np.stack([low, np.maximum(high, np.nextafter(low, np.inf))], axis=1).reshape(-1)
    below = np.stack([total - counts, total], axis=1).reshape(-1)
    cumulative = np.interp(edges, places, below)
    # All values are within the outer edges, up to rounding.
    cumulative[0], cumulative[-1] = 0, total[-1]
    return _rounded(np.diff(cumulative) / total[-1])


def _rounded(values: Doubles) -> list[float]:
    """Round to four significant digits."""
    return [float(f"{value:.4g}") for value in values]
