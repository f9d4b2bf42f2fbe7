"""The clipping threshold of least Kullback-Leibler divergence.

Migacz 2017, "8-bit Inference with TensorRT": the observed distribution of |x| over 2048 equal bins, with
what a threshold clips added to the last bin kept, against the same bins once merged into the grid's levels.
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
# What a bin without any value gets of the quantized distribution, where the divergence would be infinite.
_FLOOR = 1e-9


def entropy() -> Estimator:
    """The threshold on |x| at which the quantized distribution tells least from the observed one."""
    return Estimator("entropy", RangeSketch, _choose)


def _choose(sketch: RangeSketch, grid: Grid, symmetric: bool) -> Range:
    largest = max(-sketch.min, sketch.max)
    if largest == 0.0:
        return 0.0, 0.0
    two_sided = symmetric or (sketch.min < 0.0 < sketch.max)
    levels = min(grid.levels // 2 if two_sided else grid.levels, _BINS // 2)
    counts = _linear_histogram(sketch, largest)
    # Zeros map to zero at any threshold, but a spike of them, as ReLU makes it, would decide alone: the
    # first bin takes its neighbour's count, as TensorRT has it.
    counts[0] = counts[1]
    threshold = largest * _best_width(counts, levels) / _BINS
    return max(sketch.min, -threshold), min(sketch.max, threshold)


def _linear_histogram(sketch: RangeSketch, largest: float) -> Doubles:
    """Counts of |x| in equal bins from 0 to `largest`; the sketch's bins are taken as uniform."""
    low, high, counts = sketch.histogram()
    edges = np.linspace(0.0, largest, _BINS + 1)
    negative = high <= 0.0
    below = _cumulated(-high[negative][::-1], -low[negative][::-1], counts[negative][::-1], edges)
    above = _cumulated(low[~negative], high[~negative], counts[~negative], edges)
    return np.diff(below + above)


def _cumulated(low: Doubles, high: Doubles, counts: Integers, edges: Doubles) -> Doubles:
    """How many values lie below each edge; bins ascend and do not overlap."""
    if counts.size == 0:
        return np.zeros(edges.size)
    # A bin that is a point gets a sliver below it, so that its count rises there.
    low = np.minimum(low, high - edges[-1] * 1e-12)
    total = np.cumsum(counts, dtype=np.float64)
    places = np.maximum.accumulate(np.stack([low, high], axis=1).reshape(-1))
    result: Doubles = np.interp(edges, places, np.stack([total - counts, total], axis=1).reshape(-1))
    # Values at zero belong to the first bin, though their sliver begins below it.
    result[0] = 0.0
    return result


def _best_width(counts: Doubles, levels: int) -> int:
    """How many bins from zero to keep, so that the divergence is least."""
    widths = np.arange(levels, _BINS + 1, _STRIDE)
    return int(widths[np.argmin(_divergence(counts, widths, levels))])


def _divergence(counts: Doubles, widths: Integers, levels: int) -> Doubles:
    """KL divergence of P, the first `width` bins with what is clipped added to the last, from quantized Q.

    With T values in all and K kept, sum p log p - p log q is split: p log p cumulates over the bins; q is
    constant within a level, so p log q needs each level's sum only. What is clipped is treated apart.
    """
    total, occupied = counts.sum(), counts > 0
    kept, members = _upto(counts), _upto(occupied.astype(np.float64))
    starts = np.arange(levels + 1) * widths[:, None] // levels
    sums, sizes = np.diff(kept[starts]), np.diff(members[starts])
    inside = kept[widths]
    q = sums / np.maximum(sizes, 1.0) / np.maximum(inside, 1.0)[:, None]
    last = widths - 1
    clipped = total - inside
    last_q = np.where(occupied[last], q[:, -1], _FLOOR)
    end = counts[last] + clipped
    p_log_p = _upto(counts * _log(counts / total))[last] + end * _log(end / total)
    p_log_q = (sums * _log(q)).sum(axis=1) + clipped * _log(np.maximum(last_q, _FLOOR))
    return np.where(inside > 0, (p_log_p - p_log_q) / total, np.inf)


def _upto(values: Doubles) -> Doubles:
    """The sum of all values before each index."""
    return np.concatenate([[0.0], np.cumsum(values)])


def _log(values: Doubles) -> Doubles:
    """The logarithm, and 0 at 0, where the factor beside it is 0 too."""
    return np.log(np.where(values > 0, values, 1.0))
