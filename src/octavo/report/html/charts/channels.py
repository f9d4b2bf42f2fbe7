"""The range of each channel of a tensor."""

from __future__ import annotations

from typing import Any

from octavo.report.html.library import BLUE, altair
from octavo.report.html.tensor import record
from octavo.report.plain import Plain


def channels(tensor: Plain, values: Plain) -> Any:
    """Chart the range of values of each channel of one tensor.

    Args:
        tensor: plain form of a tensor: `tensor`, `grid`, `scale`, `zero_point`, `axis`.
        values: its values, with ranges of channels; those of activations are magnitudes.
    """
    data = altair().InlineData([record(tensor, values)])
    return channels_of(data, magnitudes=values["kind"] == "activation").properties(title=tensor["tensor"])


def channels_of(data: Any, *, magnitudes: bool) -> Any:
    """Chart one record of `octavo.report.html.tensor.record`, given as Altair data."""
    alt = altair()
    return (
        alt.Chart(data)
        .transform_flatten(["lows", "highs"])
        .transform_window(n="row_number()")
        .transform_calculate(x0="(datum.n - 1) * datum.every", x1="datum.n * datum.every")
        .mark_rect(color=BLUE, opacity=0.8)
        .encode(
            x=alt.X("x0:Q", title="channel", scale=alt.Scale(nice=False), axis=alt.Axis(tickMinStep=1, format="d")),
            x2="x1:Q",
            y=alt.Y("lows:Q", title="largest magnitude" if magnitudes else "range of values"),
            y2="highs:Q",
            tooltip=[
                alt.Tooltip("x0:Q", title="channel"),
                alt.Tooltip("lows:Q", title="smallest", format=".4~g"),
                alt.Tooltip("highs:Q", title="largest", format=".4~g"),
            ],
        )
        .properties(height=140)
    )
