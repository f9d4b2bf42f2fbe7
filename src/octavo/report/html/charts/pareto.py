"""Accuracy against cost of mixed precision."""

from __future__ import annotations

from typing import Any

from octavo.report.html.library import BLUE, altair
from octavo.report.plain import Plain


def pareto(points: list[Plain]) -> Any:
    """Chart the drop, with its interval, against bit operations, one point per set of layers with more bits.

    Args:
        points: the points in the details of the rung `mix`.
    """
    alt = altair()
    rows = [
        {
            "operations": point["bit_operations"],
            "raised": len(point["layers"]),
            "drop": point["drop"],
            "low": (point["drop_ci95"] or [None, None])[0],
            "high": (point["drop_ci95"] or [None, None])[1],
        }
        for point in points
    ]
    base = alt.Chart(alt.InlineData(rows)).encode(
        x=alt.X(
            "operations:Q", title="bit operations, as a multiple of all layers at 8 bits", scale=alt.Scale(zero=False)
        ),
        tooltip=[
            alt.Tooltip("raised:Q", title="layers with more bits"),
            alt.Tooltip("operations:Q", title="bit operations", format=".2f"),
            alt.Tooltip("drop:Q", format="+.2f"),
        ],
    )
    line = base.mark_line(color=BLUE, point=alt.OverlayMarkDef(color=BLUE, filled=True, size=50)).encode(
        y=alt.Y("drop:Q", title="drop of the metric", scale=alt.Scale(zero=False))
    )
    return (base.mark_rule(color=BLUE, opacity=0.5).encode(y="low:Q", y2="high:Q") + line).properties(height=220)
