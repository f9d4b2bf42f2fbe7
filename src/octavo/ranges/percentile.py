"""Clip a fixed share of the values at each end."""

from __future__ import annotations

import numpy as np

from octavo.affine import Grid
from octavo.errors import OptionError
from octavo.ranges.estimator import Estimator, Range
from octavo.ranges.sketch import RangeSketch


def percentile(percent: float = 99.99) -> Estimator:
    """The (100 - `percent`)th and `percent`th percentiles, within min and max.

    Raises:
        OptionError: `percent` is not in (50, 100].
    """
    if not 50 < percent <= 100:
        raise OptionError(f"percentile {percent:g} is not between 50 and 100; write for example percentile:99.9")

    def choose(sketch: RangeSketch, grid: Grid, symmetric: bool) -> Range:
        low, high, counts = sketch.histogram()
        if counts.size == 0 or percent == 100:
            return sketch.min, sketch.max
        return _quantile(low, high, counts, 1 - percent / 100), _quantile(low, high, counts, percent / 100)

    return Estimator(f"percentile:{percent:g}", RangeSketch, choose)


def _quantile(low: np.ndarray, high: np.ndarray, counts: np.ndarray, share: float) -> float:
    """The `share` quantile of the histogram, linear within a bin."""
    cumulative = np.cumsum(counts)
    rank = share * cumulative[-1]
    bin_ = min(int(np.searchsorted(cumulative, rank)), counts.size - 1)
    inside = (rank - (cumulative[bin_] - counts[bin_])) / counts[bin_]
    return float(low[bin_] + min(max(inside, 0.0), 1.0) * (high[bin_] - low[bin_]))
