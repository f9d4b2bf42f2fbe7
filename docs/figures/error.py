"""What rounding and clipping leave of x."""

from __future__ import annotations

import altair as alt
import numpy as np

from octavo.affine import fake_quantize, real_range

from .grid import HALVES, PARAMS, WINDOW, X
from .style import table


def error() -> alt.LayerChart:
    """x − x̂ over x on the grid of the staircase: within S/2 where nothing is clipped, without a bound elsewhere."""
    x = alt.X("x:Q", scale=WINDOW, axis=alt.Axis(title="x", values=HALVES, grid=False))
    y = alt.Y("y:Q", title="x − x̂", axis=alt.Axis(grid=False))
    kind = alt.Color("kind:N", sort=["rounding", "clipping"])
    bound = alt.Chart(_bound())
    layers = [
        bound.mark_rule(style="guide").encode(y="y:Q"),
        bound.mark_text(align="right", dx=-6).encode(x=alt.value("width"), y="at:Q", text="label:N"),
        alt.Chart(_error()).mark_line().encode(x=x, y=y, color=kind, detail="part:N"),
    ]
    return alt.LayerChart(layer=layers)


def _error() -> alt.InlineData:
    low, high = real_range(PARAMS)
    clipped = (low > X) | (high < X)
    kind = np.where(clipped, "clipping", "rounding")
    # A line of its own for each end, or one would cross what lies between.
    return table("error", x=X, y=X - fake_quantize(X, PARAMS), kind=kind, part=np.sign(X) * clipped)


def _bound() -> alt.InlineData:
    half = float(PARAMS.scale) / 2
    return table("bound", y=[half, -half], at=[half + 0.04, -half - 0.04], label=["S/2", "−S/2"])
