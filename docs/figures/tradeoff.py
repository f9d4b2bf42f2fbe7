"""Clipping against rounding, and what each estimator makes of it."""

from __future__ import annotations

from itertools import product
from typing import Any

import altair as alt
import numpy as np

from octavo.affine import INT4, INT8, Grid, fake_quantize, params_from_range
from octavo.ranges import RangeSketch, estimator

GRIDS = (INT8, INT4)
ESTIMATORS = ("minmax", "percentile:99.9", "mse", "entropy")
# Student's t with 4 degrees of freedom: most values are small, and a few are very large.
VALUES = np.random.default_rng(0).standard_t(4, 50_000).astype(np.float32)

_AXIS = alt.Axis(title="r, end of the range [−r, r]", values=[3, 4, 5, 6, 8, 10, 15, 20], grid=False)
_ERROR_AXIS = alt.Axis(title="mean squared error", values=[1e-3, 1e-2, 1e-1, 1.0], format="~g")


def tradeoff() -> alt.LayerChart:
    """Mean squared error over the range [−r, r], on 8 bits and on 4, and the r that each estimator chooses."""
    x = alt.X("r:Q", scale=alt.Scale(type="log", nice=False), axis=_AXIS)
    y = alt.Y("mse:Q", scale=alt.Scale(type="log"), axis=_ERROR_AXIS)
    color = alt.Color("grid:N", sort=[str(grid) for grid in GRIDS], legend=alt.Legend(symbolType="stroke"))
    shape = alt.Shape("estimator:N", sort=ESTIMATORS)
    layers = [
        alt.Chart(_curves()).mark_line().encode(x=x, y=y, color=color),
        alt.Chart(_choices()).mark_point(filled=True, opacity=1, size=130).encode(x=x, y=y, color=color, shape=shape),
    ]
    return alt.LayerChart(layer=layers)


def mean_squared_error(r: float, grid: Grid) -> float:
    """What the values lose, on average and squared, when the range [−r, r] is mapped to the grid."""
    lost = VALUES - fake_quantize(VALUES, params_from_range(-r, r, grid, symmetric=True))
    return float(np.mean(np.square(lost, dtype=np.float64)))


def _curves() -> alt.InlineData:
    ends = np.geomspace(3.0, np.abs(VALUES).max() * 1.2, 120).tolist()
    return alt.InlineData(name="curves", values=[_row(r, grid) for grid in GRIDS for r in ends])


def _choices() -> alt.InlineData:
    sketch = RangeSketch()
    sketch.update(VALUES)
    rows = []
    for grid, name in product(GRIDS, ESTIMATORS):
        low, high = estimator(name).range(sketch, grid, symmetric=True)
        rows.append({**_row(max(-low, high), grid), "estimator": name})
    return alt.InlineData(name="choices", values=rows)


def _row(r: float, grid: Grid) -> dict[str, Any]:
    return {"r": r, "mse": mean_squared_error(r, grid), "grid": str(grid)}
