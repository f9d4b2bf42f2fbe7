"""What mixed precision costs and gives."""

from __future__ import annotations

from typing import Any

from octavo.report.html.library import BLUE, altair
from octavo.report.plain import Plain


def pareto(points: list[Plain]) -> Any:
    """A chart of the drop, with its interval, against bit operations, one point for each set of raised layers.

    Args:
        points: as the step of the rung `mix` keeps them in its details.
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
            alt.Tooltip("raised:Q", title="layers raised"),
            alt.Tooltip("operations:Q", title="bit operations", format=".2f"),
            alt.Tooltip("drop:Q", format="+.2f"),
        ],
    )
    line = base.mark_line(color=BLUE, point=alt.OverlayMarkDef(color=BLUE, filled=True, size=50)).encode(
        y=alt.Y("drop:Q", title="drop of the metric", scale=alt.Scale(zero=False))
    )
    return (base.mark_rule(color=BLUE, opacity=0.5).encode(y="low:Q", y2="high:Q") + line).properties(height=220)
