"""How the values of a tensor are spread over its grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.affine import QuantParams, dequantize, real_range
from octavo.measure.decibels import decibels
from octavo.ranges import FbgemmHistogram, Observer, RangeSketch

Doubles = NDArray[np.float64]

# Bins over the grid itself, and at most over all: what lies far beyond the grid widens them.
_ON_GRID, _MOST = 64, 192
# Finer grids are counted in bins of several levels, more channels several at a time: nobody sees more.
_LEVELS = 128
_MOST_CHANNELS = 128


@dataclass(frozen=True)
class Histogram:
    """The share of values in each of some equal bins between `low` and `high`.

    `integers` tells what those ends are: integers of the grid, where channels have scales of their own and
    real numbers would mix them, else real numbers.
    """

    low: float
    high: float
    shares: list[float]
    integers: bool = False


@dataclass(frozen=True)
class Channels:
    """The smallest and largest value of each channel; of very many channels, of each `step` neighbours together."""

    low: list[float]
    high: list[float]
    step: int = 1


def of_observer(observer: Observer, params: QuantParams) -> Histogram | None:
    """The histogram of what an observer saw, bins aligned with the grid; None where it keeps no histogram.

    Args:
        observer: of the calibration pass.
        params: the grid of the tensor, one scale.
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
    """The histogram of integers on their grid: in real numbers where one scale holds for all.

    Args:
        integers: on the grid of `params`, any shape, not empty.
    """
    grid = params.grid
    width = -(-grid.levels // _LEVELS)
    found = np.bincount(
        (integers.astype(np.int64).reshape(-1) - grid.qmin) // width, minlength=-(-grid.levels // width)
    )
    ends = grid.qmin - 0.5, grid.qmin - 0.5 + width * found.size
    if params.axis is None:
        scale, zero_point = float(params.scale), int(params.zero_point)
        ends = scale * (ends[0] - zero_point), scale * (ends[1] - zero_point)
    return Histogram(*ends, _rounded(found / max(integers.size, 1)), integers=params.axis is not None)


def channels(low: Doubles, high: Doubles) -> Channels:
    """The ends of each channel, as many as can be told apart."""
    step = -(-low.size // _MOST_CHANNELS) or 1
    starts = np.arange(0, low.size, step)
    if low.size == 0:
        return Channels([], [])
    return Channels(_rounded(np.minimum.reduceat(low, starts)), _rounded(np.maximum.reduceat(high, starts)), step)


def channels_of(array: NDArray[np.float32], axis: int) -> Channels:
    """The ends of each channel of an array along an axis."""
    rows = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
    return channels(rows.min(axis=1).astype(np.float64), rows.max(axis=1).astype(np.float64))


def rounding_sqnr_db(array: NDArray[np.float32], integers: NDArray[Any], params: QuantParams) -> float:
    """10 log10(sum w^2 / sum (w - S (q - Z))^2) of an array and the integers that stand for it."""
    error = array - dequantize(integers, params)
    flat, lost = array.reshape(-1), error.reshape(-1)
    return decibels(float(np.dot(flat, flat)), float(np.dot(lost, lost)))


def _edges(params: QuantParams, low: float, high: float) -> Doubles:
    """Equal bins over the grid, and further ones of the same width over what lies beyond it."""
    half = float(params.scale) / 2
    first, last = (float(end) for end in real_range(params))
    first, last = first - half, last + half
    width = max((last - first) / _ON_GRID, (max(high, last) - min(low, first)) / _MOST)
    before, after = (int(np.ceil(max(beyond, 0.0) / width)) for beyond in (first - low, high - last))
    inner = int(np.ceil((last - first) / width))
    return np.asarray(first + width * np.arange(-before, inner + after + 1), np.float64)


def _shares(low: Doubles, high: Doubles, counts: NDArray[np.int64], edges: Doubles) -> list[float]:
    """Counts of fine bins in coarser ones, each spread evenly over its own width."""
    total = np.cumsum(counts)
    places = np.stack([low, np.maximum(high, np.nextafter(low, np.inf))], axis=1).reshape(-1)
    below = np.stack([total - counts, total], axis=1).reshape(-1)
    found = np.interp(edges, places, below)
    # All values lie between the outer edges, also those that lie on one, or beside it by a rounding.
    found[0], found[-1] = 0, total[-1]
    return _rounded(np.diff(found) / total[-1])


def _rounded(values: Doubles) -> list[float]:
    """Four digits: as many as anybody sees."""
    return [float(f"{value:.4g}") for value in values]
