"""The whole observed range."""

from __future__ import annotations

from octavo.affine import Grid
from octavo.ranges.estimator import Estimator, Range
from octavo.ranges.sketch import RangeSketch


def minmax() -> Estimator:
    """Exact minimum and maximum: clips nothing; outliers increase the scale."""
    return Estimator("minmax", RangeSketch, _choose)


def _choose(sketch: RangeSketch, grid: Grid, symmetric: bool) -> Range:
    return sketch.min, sketch.max
