"""The range that minimizes the mean squared error of clipping and rounding together.

The L2 search of PyTorch's fbgemm HistogramObserver on the sketch: the expected squared distance of the observed
values to the grid is computed in closed form for each candidate range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octavo.affine import Grid
from octavo.ranges.estimator import Estimator, Range
from octavo.ranges.sketch import RangeSketch

Doubles = NDArray[np.float64]

# Bins of 6% relative width cost at most 0.02 dB and are 8 times fewer than the bins of the sketch.
_MANTISSA_BITS = 4
_COARSE, _FINE, _ROUNDS = 24, 7, 3
_LARGEST_SHRINK = 1e-3
_STRETCHES = 2.0 ** np.linspace(-0.5, 0.5, 21)
_BOTH, _LOW, _HIGH = (True, True), (True, False), (False, True)


def mse() -> Estimator:
    """The range with the least squared error of rounding and clipping."""
    return Estimator("mse", RangeSketch, _choose)


@dataclass(frozen=True)
class _Density:
    """Observed values as a piecewise constant density plus point masses.

    A density d that is constant from a to b contributes d (F(b) - F(a)) with F the antiderivative of the squared
    error, so each edge needs F once, weighted by the density left of it minus the density right of it.
    """

    edges: Doubles
    weights: Doubles
    points: Doubles
    masses: Doubles
    steps: int
    symmetric: bool

    def error(self, alpha: Doubles, beta: Doubles) -> Doubles:
        """Total squared error for each candidate range [alpha, beta]."""
        step = (beta - alpha) / self.steps
        # In units of the step the grid is the integers first..last, zero included.
        first = -self.steps / 2 + np.zeros_like(step) if self.symmetric else np.rint(alpha / step)
        last = first + self.steps
        summed = _area(self.edges / step[:, None], first[:, None], last[:, None]) @ self.weights * step
        points = self.points / step[:, None]
        errors = points - np.clip(np.rint(points), first[:, None], last[:, None])
        total: Doubles = (summed + (errors * errors) @ self.masses) * step * step
        return total


def _choose(sketch: RangeSketch, grid: Grid, symmetric: bool) -> Range:
    largest = max(-sketch.min, sketch.max)
    if largest == 0.0:
        return sketch.min, sketch.max
    steps = 2 * min(grid.qmax - grid.middle, grid.middle - grid.qmin) if symmetric else grid.qmax - grid.qmin
    density = _density(sketch, steps, symmetric)
    if symmetric:
        return _shrink_all(density, (-largest, largest), (_BOTH,))
    whole = min(sketch.min, 0.0), max(sketch.max, 0.0)
    if not whole[0] < 0 < whole[1]:
        return _shrink_all(density, whole, (_BOTH,))
    # Coordinate descent from two starts: both bounds together fails on asymmetric tails, one after the other on
    # symmetric ones.
    chosen = [_shrink_all(density, whole, order) for order in ((_BOTH, _LOW, _HIGH), (_HIGH, _LOW, _HIGH))]
    return _stretch(density, whole, chosen)


def _density(sketch: RangeSketch, steps: int, symmetric: bool) -> _Density:
    low, high, counts = sketch.histogram(_MANTISSA_BITS)
    # The histogram may be subsampled: scale its mass to all finite values.
    finite = sketch.count - sketch.nan_count - sketch.inf_count
    mass = counts * (finite / max(int(counts.sum()), 1))
    # Minimum and maximum are exact, and one outlier may decide: move them from their bins to point masses.
    ends = np.array(sorted({sketch.min, sketch.max}))
    if mass.size:
        mass[0] -= low[0] == ends[0]
        mass[-1] -= ends.size == 2 and high[-1] == ends[1]
        mass = np.maximum(mass, 0.0)
    # Values below half of the smallest candidate step round to zero for every candidate.
    largest = max(-sketch.min, sketch.max)
    relevant = np.maximum(-low, high) > largest * _LARGEST_SHRINK / steps / 2
    wide = relevant & (high > low)
    slope = mass[wide] / (high[wide] - low[wide])
    edges, index = np.unique(np.concatenate([low[wide], high[wide]]), return_inverse=True)
    weights: Doubles = np.zeros(edges.size)
    np.add.at(weights, index, np.concatenate([-slope, slope]))
    narrow = relevant & (high == low)
    points = np.concatenate([low[narrow], ends])
    masses = np.concatenate([mass[narrow], np.ones(ends.size)])
    return _Density(edges, weights, points, masses, steps, symmetric)


def _shrink_all(density: _Density, whole: Range, order: tuple[tuple[bool, bool], ...]) -> Range:
    chosen = whole
    for ends in order:
        chosen = _shrink(density, whole, chosen, ends)
    return chosen


def _shrink(density: _Density, whole: Range, chosen: Range, ends: tuple[bool, bool]) -> Range:
    """Scale the selected bounds of `whole` by the factor of least error, coarse then fine; keep the others."""
    factors = np.geomspace(_LARGEST_SHRINK, 1.0, _COARSE)
    best = chosen
    for _ in range(_ROUNDS + 1):
        alpha = whole[0] * factors if ends[0] else np.full(factors.size, chosen[0])
        beta = whole[1] * factors if ends[1] else np.full(factors.size, chosen[1])
        # Among equal errors prefer the widest range, which clips the least.
        error = density.error(alpha, beta)[::-1]
        index = len(factors) - 1 - int(np.argmin(error))
        best = float(alpha[index]), float(beta[index])
        factors = np.linspace(factors[max(index - 1, 0)], factors[min(index + 1, len(factors) - 1)], _FINE)
    return best


def _stretch(density: _Density, whole: Range, chosen: list[Range]) -> Range:
    """The best of some ranges, each also scaled by factors around 1.

    With few levels the zero point changes in large steps, and moving one bound alone cannot leave a local minimum.
    """
    low, high = np.outer(np.array(chosen).T, _STRETCHES).reshape(2, -1)
    low, high = np.maximum(low, whole[0]), np.minimum(high, whole[1])
    index = int(np.argmin(density.error(low, high)))
    return float(low[index]), float(high[index])


def _area(x: Doubles, first: Doubles, last: Doubles) -> Doubles:
    """Integral from 0 to x of the squared distance to the nearest of the integers first..last; overwrites `x`."""
    inner = np.clip(x, first, last)
    nearest = np.rint(inner)
    # In place: bound by memory bandwidth.
    x -= inner
    inner -= nearest
    nearest /= 12
    # 1/12 per whole interval; r^3 / 3 for the remainder r of the last interval, and for the part beyond the grid.
    for remainder in (inner, x):
        cube = remainder * remainder
        cube *= remainder
        cube /= 3
        nearest += cube
    return nearest
