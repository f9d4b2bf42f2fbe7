"""Histogram of a tensor over its grid."""

from __future__ import annotations

from typing import Any

from octavo.report.html.library import BLUE, GREY, ORANGE, RED, altair
from octavo.report.html.tensor import record
from octavo.report.plain import Plain

_ENDS = ["ends of the grid", "zero"]
# More ticks than this would merge.
_MAX_TICKS = 300


def histogram(tensor: Plain, values: Plain) -> Any:
    """Chart the histogram of one tensor, with the values of its grid as ticks.

    Args:
        tensor: plain form of a tensor: `tensor`, `grid`, `scale`, `zero_point`, `axis`.
        values: its values, with a histogram.
    """
    data = altair().InlineData([record(tensor, values)])
    return histogram_of(data, integers=values["histogram"]["integers"]).properties(title=tensor["tensor"])


def histogram_of(data: Any, *, integers: bool) -> Any:
    """Chart one record of `octavo.report.html.tensor.record`, given as Altair data."""
    alt = altair()
    base = alt.Chart(data)
    axis = "integer q, per-channel scales" if integers else "value"
    x = alt.X("x0:Q", title=axis, scale=alt.Scale(zero=False, nice=False))
    bars = (
        base.transform_flatten(["shares"])
        .transform_window(n="row_number()")
        .transform_calculate(
            x0="datum.low + (datum.n - 1) * datum.width", x1="datum.low + datum.n * datum.width"
        )
        .mark_rect(color=BLUE, opacity=0.8)
        .encode(
            x=x,
            x2="x1:Q",
            y=alt.Y("shares:Q", title="share of values (root scale)", scale=alt.Scale(type="sqrt", zero=True),
                    axis=alt.Axis(format="~p", tickCount=5)),
            y2=alt.datum(0),
            tooltip=[
                alt.Tooltip("x0:Q", title="from", format=".4~g"),
                alt.Tooltip("x1:Q", title="to", format=".4~g"),
                alt.Tooltip("shares:Q", title="share", format=".3~p"),
            ],
        )
    )  # fmt: skip
    levels = (
        base.transform_filter(f"datum.levels <= {_MAX_TICKS}")
        .transform_calculate(level="sequence(0, datum.levels)")
        .transform_flatten(["level"])
        .transform_calculate(x0="datum.first + datum.level * datum.step")
        .mark_tick(color=GREY, thickness=1, size=8, yOffset=4)
        .encode(x="x0:Q", y=alt.value("height"))
    )
    ends = (
        base.transform_calculate(begin="datum.first", end="datum.first + (datum.levels - 1) * datum.step")
        .transform_fold(["begin", "zero", "end"], as_=["which", "x0"])
        .transform_calculate(what=f"datum.which == 'zero' ? '{_ENDS[1]}' : '{_ENDS[0]}'")
        .mark_rule(strokeWidth=1.5)
        .encode(
            x="x0:Q",
            color=alt.Color("what:N", title=None,
                            scale=alt.Scale(domain=_ENDS, range=[RED, ORANGE])),
            strokeDash=alt.StrokeDash("what:N", title=None,
                                      scale=alt.Scale(domain=_ENDS, range=[[1, 0], [4, 3]])),
        )
    )  # fmt: skip
    return (bars + levels + ends).properties(height=180)
