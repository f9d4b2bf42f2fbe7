"""The whole range that was seen."""

from __future__ import annotations

from octavo.affine import Grid
from octavo.ranges.estimator import Estimator, Range
from octavo.ranges.sketch import RangeSketch


def minmax() -> Estimator:
    """From the exact minimum to the exact maximum: nothing is clipped, outliers cost resolution."""
    return Estimator("minmax", RangeSketch, _choose)


def _choose(sketch: RangeSketch, grid: Grid, symmetric: bool) -> Range:
    return sketch.min, sketch.max
