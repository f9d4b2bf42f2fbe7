"""SQNR of the tensors of several models, relative to a reference model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from octavo.report.html.charts.scale import ratio_axis
from octavo.report.html.library import BLUE, GREEN, ORANGE, RED, altair
from octavo.report.plain import Plain

_COLOURS = [BLUE, ORANGE, GREEN, RED]
_SHAPES = ["circle", "diamond", "square", "triangle-up"]


def comparison(names: list[str], rows: Sequence[Plain]) -> Any:
    """Chart the SQNR of each tensor in dB, one line per model.

    Args:
        names: names of the models.
        rows: points with `place`, `layer`, `model` and `sqnr`.
    """
    alt = altair()
    order = {"domain": names, "range": [_COLOURS[i % len(_COLOURS)] for i in range(len(names))]}
    chart = alt.Chart(alt.InlineData(rows)).encode(
        x=alt.X("place:Q", title="tensor, in graph order", axis=alt.Axis(tickMinStep=1, format="d")),
        y=ratio_axis([row["sqnr"] for row in rows]),
        color=alt.Color("model:N", title=None, scale=alt.Scale(**order), legend=alt.Legend(labelLimit=0)),
        tooltip=[
            alt.Tooltip("layer:N"),
            alt.Tooltip("model:N"),
            alt.Tooltip("sqnr:Q", title="SQNR in dB", format=".1f"),
        ],
    )
    shapes = alt.Scale(domain=names, range=[_SHAPES[i % len(_SHAPES)] for i in range(len(names))])
    points = chart.mark_point(filled=True, size=36).encode(shape=alt.Shape("model:N", title=None, scale=shapes))
    return (chart.mark_line(opacity=0.5) + points).properties(height=260)
