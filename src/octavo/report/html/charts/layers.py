"""Signal-to-quantization-noise ratio from the first layer to the last."""

from __future__ import annotations

from typing import Any

from octavo.report.html.charts.scale import ratio_axis
from octavo.report.html.library import BLUE, ORANGE, altair
from octavo.report.plain import Plain
from octavo.report.summary import main_values

_SERIES = ["with input error", "own rounding only"]


def layers(result: Plain) -> Any:
    """Chart the SQNR of each layer in dB, in graph order: with input error, and with its own rounding only."""
    alt = altair()
    rows = [row for place, layer in enumerate(result["layers"]) for row in _rows(place, layer, result)]
    chart = alt.Chart(alt.InlineData(rows)).encode(
        x=alt.X("place:Q", title="layer, in graph order", axis=alt.Axis(tickMinStep=1, format="d")),
        y=ratio_axis([row["sqnr"] for row in rows]),
        color=alt.Color("series:N", title=None, scale=alt.Scale(domain=_SERIES, range=[BLUE, ORANGE])),
        tooltip=[
            alt.Tooltip("layer:N"),
            alt.Tooltip("operator:N"),
            alt.Tooltip("sqnr:Q", title="SQNR in dB", format=".1f"),
            alt.Tooltip("series:N", title="of"),
        ],
    )
    points = chart.mark_point(filled=True, size=36).encode(
        shape=alt.Shape("series:N", title=None, scale=alt.Scale(domain=_SERIES, range=["circle", "diamond"]))
    )
    return (chart.mark_line(opacity=0.5) + points).properties(height=240)


def _rows(place: int, layer: Plain, result: Plain) -> list[dict[str, Any]]:
    values = main_values(layer, result)
    ratios = (layer["sqnr_db"], None if values is None else values["own_sqnr_db"])
    return [
        {"place": place + 1, "layer": layer["name"], "operator": layer["op"], "sqnr": ratio, "series": series}
        for series, ratio in zip(_SERIES, ratios, strict=True)
        if ratio is not None
    ]
