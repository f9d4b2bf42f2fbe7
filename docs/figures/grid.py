"""What a small grid makes of the real numbers."""

from __future__ import annotations

import altair as alt
import numpy as np

from octavo.affine import UINT4, dequantize, fake_quantize, params_from_range, real_range

from .style import table

# 15 steps of 0.2: large enough to be seen, and not as many below zero as above.
PARAMS = params_from_range(-1.0, 2.0, UINT4)
X = np.linspace(-1.6, 2.6, 1261)
WINDOW = alt.Scale(domain=[X[0], X[-1]], nice=False)
HALVES = np.arange(-1.5, 3.0, 0.5).tolist()


def grid() -> alt.LayerChart:
    """The staircase of x̂ over x: level steps within the range, the ends of the grid beyond it."""
    x = alt.X("x:Q", scale=WINDOW, axis=alt.Axis(title="x", values=HALVES, grid=False))
    left, bare = (alt.Y("y:Q", scale=WINDOW, axis=axis) for axis in (_left_axis(), None))
    zero = alt.Chart(table("zero point", x=[0.0], y=[0.0], label=[f"zero point: q = Z = {PARAMS.zero_point}"]))
    layers = [
        alt.Chart(_clipped()).mark_rect(style="shade").encode(x=x, x2="end:Q"),
        alt.Chart(_clipped()).mark_text().encode(x="middle:Q", y=bare, text="label:N"),
        alt.Chart(_integers()).mark_rule(style="level").encode(y=alt.Y("y:Q", scale=WINDOW, axis=_right_axis())),
        alt.Chart(table("identity", x=X[[0, -1]], y=X[[0, -1]])).mark_line(style="guide").encode(x=x, y=bare),
        alt.Chart(table("staircase", x=X, y=fake_quantize(X, PARAMS))).mark_line().encode(x=x, y=left),
        zero.mark_point(style="spot").encode(x=x, y=bare),
        zero.mark_text(align="left", dx=12, dy=8).encode(x=x, y=bare, text="label:N"),
    ]
    return alt.LayerChart(layer=layers).resolve_axis(y="independent")


def _clipped() -> alt.InlineData:
    """The stretches that the ends of the grid stand for."""
    low, high = real_range(PARAMS)
    start, end = np.array([X[0], high]), np.array([low, X[-1]])
    # Above the levels on the left and below them on the right, where no line passes.
    return table("clipped", x=start, end=end, middle=(start + end) / 2, y=[2.3, -1.3], label=["clipped", "clipped"])


def _integers() -> alt.InlineData:
    q = np.arange(PARAMS.grid.qmin, PARAMS.grid.qmax + 1)
    return table("integers", q=q, y=dequantize(q, PARAMS))


def _left_axis() -> alt.Axis:
    return alt.Axis(title="x̂", values=HALVES, grid=False)


def _right_axis() -> alt.Axis:
    """The integers, each beside the real number that it stands for."""
    q = np.arange(PARAMS.grid.qmin, PARAMS.grid.qmax + 1)
    text = f"round(datum.value / {float(PARAMS.scale)!r}) + {int(PARAMS.zero_point)}"
    return alt.Axis(title="q", orient="right", values=dequantize(q, PARAMS).tolist(), labelExpr=text, grid=False)
