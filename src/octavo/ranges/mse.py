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

# Bins 6% wide cost a fiftieth of a decibel at most, and are an eighth of the sketch's own.
_MANTISSA_BITS = 4
_COARSE, _FINE, _ROUNDS = 24, 7, 3
_LARGEST_SHRINK = 1e-3
_STRETCHES = 2.0 ** np.linspace(-0.5, 0.5, 21)
_BOTH, _LOW, _HIGH = (True, True), (True, False), (False, True)


def mse() -> Estimator:
    """The range whose rounding and clipping together cost the least squared error."""
    return Estimator("mse", RangeSketch, _choose)


@dataclass(frozen=True)
class _Density:
    """Observed values as a density of straight pieces, and single points of known weight.

    A density that is constant from a to b weighs the error's antiderivative F by d (F(b) - F(a)), so
    each edge needs F once, weighed by the density left of it less the density right of it.
    """

    edges: Doubles
    weights: Doubles
    points: Doubles
    masses: Doubles
    steps: int
    symmetric: bool

    def error(self, alpha: Doubles, beta: Doubles) -> Doubles:
        """Summed squared error of the grid over each candidate range [alpha, beta]."""
        step = (beta - alpha) / self.steps
        # In units of the step the grid is the integers from first to last; its zero point is one of them.
        first = -self.steps / 2 + np.zeros_like(step) if self.symmetric else np.rint(alpha / step)
        last = first + self.steps
        summed = _area(self.edges / step[:, None], first[:, None], last[:, None]) @ self.weights * step
        points = self.points / step[:, None]
        apart = points - np.clip(np.rint(points), first[:, None], last[:, None])
        total: Doubles = (summed + (apart * apart) @ self.masses) * step * step
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
    # Neither order finds the optimum always: both ends together fails on tails of unlike length,
    # one after the other on tails alike.
    chosen = [_shrink_all(density, whole, order) for order in ((_BOTH, _LOW, _HIGH), (_HIGH, _LOW, _HIGH))]
    return _stretch(density, whole, chosen)


def _density(sketch: RangeSketch, steps: int, symmetric: bool) -> _Density:
    low, high, counts = sketch.histogram(_MANTISSA_BITS)
    # The histogram may have counted a part of the values: bring it to the scale of the whole.
    finite = sketch.count - sketch.nan_count - sketch.inf_count
    mass = counts * (finite / max(int(counts.sum()), 1))
    # Where the ends lie is known exactly, and one outlier may decide: take it out of its bin.
    ends = np.array(sorted({sketch.min, sketch.max}))
    if mass.size:
        mass[0] -= low[0] == ends[0]
        mass[-1] -= ends.size == 2 and high[-1] == ends[1]
        mass = np.maximum(mass, 0.0)
    # Below half of the smallest step every candidate rounds to zero, and all err alike.
    largest = max(-sketch.min, sketch.max)
    seen = np.maximum(-low, high) > largest * _LARGEST_SHRINK / steps / 2
    wide = seen & (high > low)
    slope = mass[wide] / (high[wide] - low[wide])
    edges, index = np.unique(np.concatenate([low[wide], high[wide]]), return_inverse=True)
    weights: Doubles = np.zeros(edges.size)
    np.add.at(weights, index, np.concatenate([-slope, slope]))
    narrow = seen & (high == low)
    points = np.concatenate([low[narrow], ends])
    masses = np.concatenate([mass[narrow], np.ones(ends.size)])
    return _Density(edges, weights, points, masses, steps, symmetric)


def _shrink_all(density: _Density, whole: Range, order: tuple[tuple[bool, bool], ...]) -> Range:
    chosen = whole
    for ends in order:
        chosen = _shrink(density, whole, chosen, ends)
    return chosen


def _shrink(density: _Density, whole: Range, chosen: Range, ends: tuple[bool, bool]) -> Range:
    """Set the given ends to the fraction of `whole` of least error, coarse then fine; keep the others."""
    factors = np.geomspace(_LARGEST_SHRINK, 1.0, _COARSE)
    best = chosen
    for _ in range(_ROUNDS + 1):
        alpha = whole[0] * factors if ends[0] else np.full(factors.size, chosen[0])
        beta = whole[1] * factors if ends[1] else np.full(factors.size, chosen[1])
        # Of equal errors the widest range wins: it clips the least.
        error = density.error(alpha, beta)[::-1]
        index = len(factors) - 1 - int(np.argmin(error))
        best = float(alpha[index]), float(beta[index])
        factors = np.linspace(factors[max(index - 1, 0)], factors[min(index + 1, len(factors) - 1)], _FINE)
    return best


def _stretch(density: _Density, whole: Range, chosen: list[Range]) -> Range:
    """The best of some ranges, or of them a little larger or smaller.

    With few levels the zero point moves by leaps, and then no end can move without the other.
    """
    low, high = np.outer(np.array(chosen).T, _STRETCHES).reshape(2, -1)
    low, high = np.maximum(low, whole[0]), np.minimum(high, whole[1])
    index = int(np.argmin(density.error(low, high)))
    return float(low[index]), float(high[index])


def _area(x: Doubles, first: Doubles, last: Doubles) -> Doubles:
    """Integral from 0 to x of the squared distance to the integers from `first` to `last`; uses up `x`."""
    inner = np.clip(x, first, last)
    nearest = np.rint(inner)
    # In place: at these sizes memory costs more than arithmetic.
    x -= inner
    inner -= nearest
    nearest /= 12
    # 1/12 for each whole interval, a third of the cube for what is left of the last and beyond the ends.
    for rest in (inner, x):
        cube = rest * rest
        cube *= rest
        cube /= 3
        nearest += cube
    return nearest
