"""The range of least mean squared error: clipping at the ends against rounding between them.

The L2 search of PyTorch's fbgemm HistogramObserver, done on the sketch: for each candidate range the
expected squared distance of the observed values to the grid is summed up in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octavo.affine import Grid
from octavo.ranges.estimator import Estimator, Range
from octavo.ranges.sketch import RangeSketch

Doubles = NDArray[np.float64]

_COARSE, _FINE, _ROUNDS = 32, 9, 3
_LARGEST_SHRINK = 1e-3


def mse() -> Estimator:
    """The range whose rounding and clipping together cost the least squared error."""
    return Estimator("mse", RangeSketch, _choose)


@dataclass(frozen=True)
class _Values:
    low: Doubles
    high: Doubles
    counts: Doubles
    steps: int

    def error(self, alpha: Doubles, beta: Doubles) -> Doubles:
        """Summed squared error for each candidate range [alpha, beta], shape of `alpha`."""
        step = ((beta - alpha) / self.steps)[:, None]
        low, high = self.low[None], self.high[None]
        inner_low = np.clip(low, alpha[:, None], beta[:, None])
        inner_high = np.clip(high, alpha[:, None], beta[:, None])
        inside = _rounding_area(inner_high, step) - _rounding_area(inner_low, step)
        above = _cube(high - beta[:, None]) - _cube(low - beta[:, None])
        below = _cube(alpha[:, None] - low) - _cube(alpha[:, None] - high)
        width = np.maximum(high - low, np.finfo(np.float64).tiny)
        summed: Doubles = ((inside + above + below) / width * self.counts).sum(axis=1)
        return summed


def _choose(sketch: RangeSketch, grid: Grid, symmetric: bool) -> Range:
    low, high, counts = sketch.histogram()
    # A bin that clipping at min and max has made a point keeps a sliver, so that its mean is defined.
    sliver = np.maximum(np.abs(high), np.abs(low)) * 2.0**-20
    thin = high - low < sliver
    low, high = np.where(thin, low - sliver, low), np.where(thin, high + sliver, high)
    weight = np.where((low <= 0) & (high >= 0), 0.0, counts.astype(np.float64))
    if not bool(weight.any()):
        return sketch.min, sketch.max
    kept = weight > 0
    if symmetric:
        low, high = np.abs(low), np.abs(high)
        low, high = np.minimum(low, high), np.maximum(low, high)
        values = _Values(
            low[kept], high[kept], weight[kept], min(grid.qmax - grid.middle, grid.middle - grid.qmin)
        )
        bound = _shrink(values, (0.0, max(-sketch.min, sketch.max)), (False, True))[1]
        return -bound, bound
    values = _Values(low[kept], high[kept], weight[kept], grid.qmax - grid.qmin)
    whole = min(sketch.min, 0.0), max(sketch.max, 0.0)
    chosen = _shrink(values, whole, (whole[0] < 0, whole[1] > 0))
    for end in ((True, False), (False, True)):
        chosen = _shrink(values, chosen, (end[0] and chosen[0] < 0, end[1] and chosen[1] > 0))
    return chosen


def _shrink(values: _Values, whole: Range, ends: tuple[bool, bool]) -> Range:
    """Move the given ends of a range towards zero by the factor of least error, coarse then fine."""
    if not any(ends):
        return whole
    factors = np.geomspace(_LARGEST_SHRINK, 1.0, _COARSE)
    best = whole
    for _ in range(_ROUNDS):
        alpha = whole[0] * (factors if ends[0] else np.ones_like(factors))
        beta = whole[1] * (factors if ends[1] else np.ones_like(factors))
        # Of equal errors the widest range wins: it clips the least.
        error = values.error(alpha, beta)[::-1]
        index = len(factors) - 1 - int(np.argmin(error))
        best = float(alpha[index]), float(beta[index])
        factors = np.linspace(factors[max(index - 1, 0)], factors[min(index + 1, len(factors) - 1)], _FINE)
    return best


def _rounding_area(x: Doubles, step: Doubles) -> Doubles:
    """Integral from 0 to x of the squared distance to the nearest multiple of `step`."""
    nearest = np.rint(x / step)
    rest = x - nearest * step
    return nearest * step**3 / 12 + rest**3 / 3


def _cube(x: Doubles) -> Doubles:
    """Integral of the squared excess: max(x, 0)**3 / 3."""
    return np.maximum(x, 0.0) ** 3 / 3
