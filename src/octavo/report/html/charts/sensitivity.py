"""Share of each layer's own rounding in the error of the output."""

from __future__ import annotations

from typing import Any

from octavo.report.html.library import BLUE, altair
from octavo.report.plain import Plain

_MAX_LAYERS = 20


def sensitivity(result: Plain) -> Any:
    """Chart the layers with the largest shares of the output error, largest first."""
    alt = altair()
    measured = [layer for layer in result["layers"] if layer["share"] is not None]
    largest = sorted(measured, key=lambda layer: -layer["share"])[:_MAX_LAYERS]
    rows = [{"layer": layer["name"], "operator": layer["op"], "share": layer["share"]} for layer in largest]
    return (
        alt.Chart(alt.InlineData(rows))
        .mark_bar(color=BLUE)
        .encode(
            x=alt.X("share:Q", title="share of the output error", axis=alt.Axis(format="~p")),
            y=alt.Y("layer:N", title=None, sort=None, axis=alt.Axis(labelLimit=240)),
            tooltip=[alt.Tooltip("layer:N"), alt.Tooltip("operator:N"), alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(height=18 * max(len(rows), 2))
    )
