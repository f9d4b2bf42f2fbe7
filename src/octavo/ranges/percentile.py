"""Cut a fixed share of the values at each end."""

from __future__ import annotations

import numpy as np

from octavo.affine import Grid
from octavo.errors import OptionError
from octavo.ranges.estimator import Estimator, Range
from octavo.ranges.sketch import RangeSketch


def percentile(percent: float = 99.99) -> Estimator:
    """At most 100 - `percent` of the values lie beyond each end; the ends never pass min and max.

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
    """The value below which `share` of the counts lie, uniform within a bin."""
    total = np.cumsum(counts)
    wanted = share * total[-1]
    bin_ = min(int(np.searchsorted(total, wanted)), counts.size - 1)
    inside = (wanted - (total[bin_] - counts[bin_])) / counts[bin_]
    return float(low[bin_] + min(max(inside, 0.0), 1.0) * (high[bin_] - low[bin_]))
