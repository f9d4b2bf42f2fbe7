"""The clipping threshold that minimizes the Kullback-Leibler divergence.

Migacz 2017, "8-bit Inference with TensorRT": the observed distribution P of |x| over 2048 equal bins, with the
clipped mass added to the last bin kept, against Q, the same bins merged into the levels of the grid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octavo.affine import Grid
from octavo.ranges.estimator import Estimator, Range
from octavo.ranges.sketch import RangeSketch

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

_BINS = 2048
_STRIDE = 8
# Probability of empty bins in Q, where the divergence would be infinite.
_FLOOR = 1e-9


def entropy() -> Estimator:
    """The threshold on |x| with the least divergence between the observed and the quantized distribution."""
    return Estimator("entropy", RangeSketch, _choose)


def _choose(sketch: RangeSketch, grid: Grid, symmetric: bool) -> Range:
    largest = max(-sketch.min, sketch.max)
    if largest == 0.0:
        return 0.0, 0.0
    two_sided = symmetric or (sketch.min < 0.0 < sketch.max)
    levels = min(grid.levels // 2 if two_sided else grid.levels, _BINS // 2)
    counts = _linear_histogram(sketch, largest)
    # Zeros are exact at any threshold, but a spike of them, as after ReLU, would dominate: the first bin takes the
    # count of the second, as in TensorRT.
    counts[0] = counts[1]
    threshold = largest * _best_width(counts, levels) / _BINS
    return max(sketch.min, -threshold), min(sketch.max, threshold)


def _linear_histogram(sketch: RangeSketch, largest: float) -> Doubles:
    """Counts of |x| in equal bins from 0 to `largest`, uniform within a bin of the sketch."""
    low, high, counts = sketch.histogram()
    edges = np.linspace(0.0, largest, _BINS + 1)
    negative = high <= 0.0
    below = _cumulative(-high[negative][::-1], -low[negative][::-1], counts[negative][::-1], edges)
    above = _cumulative(low[~negative], high[~negative], counts[~negative], edges)
    return np.diff(below + above)


def _cumulative(low: Doubles, high: Doubles, counts: Integers, edges: Doubles) -> Doubles:
    """Number of values below each edge; bins are sorted and disjoint."""
    if counts.size == 0:
        return np.zeros(edges.size)
    # Give single-point bins a tiny width, so that the interpolation has a step there.
    low = np.minimum(low, high - edges[-1] * 1e-12)
    total = np.cumsum(counts, dtype=np.float64)
    places = np.maximum.accumulate(np.stack([low, high], axis=1).reshape(-1))
    result: Doubles = np.interp(edges, places, np.stack([total - counts, total], axis=1).reshape(-1))
    # Values at zero belong to the first bin although their interval starts below it.
    result[0] = 0.0
    return result


def _best_width(counts: Doubles, levels: int) -> int:
    """Number of bins from zero to keep, with the least divergence."""
    widths = np.arange(levels, _BINS + 1, _STRIDE)
    return int(widths[np.argmin(_divergence(counts, widths, levels))])


def _divergence(counts: Doubles, widths: Integers, levels: int) -> Doubles:
    """KL divergence of P (the first `width` bins, clipped mass in the last) from its quantized form Q, per width.

    sum p log p - p log q is split: prefix sums give p log p; q is constant within a level, so p log q needs the sum
    of each level only. The clipped mass is a separate term.
    """
    total, occupied = counts.sum(), counts > 0
    running_counts, members = _exclusive_sums(counts), _exclusive_sums(occupied.astype(np.float64))
    starts = np.arange(levels + 1) * widths[:, None] // levels
    sums, sizes = np.diff(running_counts[starts]), np.diff(members[starts])
    inside = running_counts[widths]
    q = sums / np.maximum(sizes, 1.0) / np.maximum(inside, 1.0)[:, None]
    last = widths - 1
    clipped = total - inside
    last_q = np.where(occupied[last], q[:, -1], _FLOOR)
    end = counts[last] + clipped
    p_log_p = _exclusive_sums(counts * _log(counts / total))[last] + end * _log(end / total)
    p_log_q = (sums * _log(q)).sum(axis=1) + clipped * _log(np.maximum(last_q, _FLOOR))
    return np.where(inside > 0, (p_log_p - p_log_q) / total, np.inf)


def _exclusive_sums(values: Doubles) -> Doubles:
    """The sum of the values before each index, shape (n + 1,)."""
    return np.concatenate([[0.0], np.cumsum(values)])


def _log(values: Doubles) -> Doubles:
    """Natural logarithm; 0 at 0, where its factor is 0 too."""
    return np.log(np.where(values > 0, values, 1.0))
