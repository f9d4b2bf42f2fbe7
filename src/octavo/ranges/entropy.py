"""The clipping threshold of least Kullback-Leibler divergence (Migacz 2017, "8-bit Inference with TensorRT")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octavo.affine import Grid
from octavo.ranges.estimator import Estimator, Range
from octavo.ranges.sketch import RangeSketch

Doubles = NDArray[np.float64]

_BINS = 2048
_STRIDE = 8


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
    threshold = largest * _best_width(counts, levels) / _BINS
    return max(sketch.min, -threshold), min(sketch.max, threshold)


def _linear_histogram(sketch: RangeSketch, largest: float) -> Doubles:
    """Counts of |x| in equal bins from 0 to `largest`; the sketch's bins are taken as uniform."""
    low, high, counts = sketch.histogram()
    inner, outer = np.minimum(np.abs(low), np.abs(high)), np.maximum(np.abs(low), np.abs(high))
    order = np.argsort(inner, kind="stable")
    inner, outer, counts = inner[order], outer[order], counts[order]
    edges = np.linspace(0.0, largest, _BINS + 1)
    width = np.maximum(outer - inner, largest * 1e-12)
    first = np.clip(np.searchsorted(edges, inner, "right") - 1, 0, _BINS - 1)
    last = np.clip(np.searchsorted(edges, outer, "left") - 1, 0, _BINS - 1)
    result = np.zeros(_BINS)
    for offset in range(int((last - first).max(initial=0)) + 1):
        index = np.minimum(first + offset, last)
        part = np.minimum(outer, edges[index + 1]) - np.maximum(inner, edges[index])
        share = np.where(first == last, 1.0, np.clip(part / width, 0.0, 1.0))
        np.add.at(result, index, np.where(first + offset <= last, counts * share, 0.0))
    return result


def _best_width(counts: Doubles, levels: int) -> int:
    """How many bins from zero to keep, so that the divergence is least."""
    widths = range(levels, _BINS + 1, _STRIDE)
    divergence = [_divergence(counts, width, levels) for width in widths]
    return widths[int(np.argmin(divergence))]


def _divergence(counts: Doubles, width: int, levels: int) -> float:
    """KL divergence of the first `width` bins, with what is clipped added to the last, from their quantized form."""
    kept = counts[:width]
    reference = kept.copy()
    reference[-1] += counts[width:].sum()
    starts = np.arange(levels) * width // levels
    occupied = kept > 0
    totals = np.add.reduceat(kept, starts)
    members = np.add.reduceat(occupied.astype(np.float64), starts)
    level = np.repeat(np.arange(levels), np.diff(np.append(starts, width)))
    quantized = np.where(occupied, (totals / np.maximum(members, 1))[level], 0.0)
    total_reference, total_quantized = reference.sum(), quantized.sum()
    if total_quantized == 0:
        return np.inf
    p, q = reference / total_reference, quantized / total_quantized
    seen = p > 0
    # Where clipped mass lands on an empty bin the divergence would be infinite; a small floor keeps it comparable.
    return float(np.sum(p[seen] * np.log(p[seen] / np.maximum(q[seen], 1e-9))))
