"""What all figures share: how data enter a chart, the size, and the colours of the light and the dark page."""

from __future__ import annotations

import io
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import ArrayLike

WIDTH, HEIGHT = 640, 340

# Okabe and Ito's palette, told apart with every kind of colour blindness; of it what stands out on each page.
_SERIES = {"light": ["#0072B2", "#D55E00", "#009E73", "#CC79A7"], "dark": ["#56B4E9", "#E69F00", "#009E73", "#CC79A7"]}
_INK = {"light": "#212121", "dark": "#e2e4e9"}
_GUIDE = {"light": "#6b6b6b", "dark": "#a3a6b0"}
_LINES = {"light": "#e0e0e0", "dark": "#3d404c"}
THEMES = tuple(_SERIES)


def table(name: str, **columns: ArrayLike) -> alt.InlineData:
    """Named data of a chart, one row for each index of the columns; NumPy's numbers become Python's."""
    plain = [np.asarray(column).tolist() for column in columns.values()]
    return alt.InlineData(name=name, values=[dict(zip(columns, row, strict=True)) for row in zip(*plain, strict=True)])


def svg(chart: alt.LayerChart, theme: str) -> str:
    """The chart drawn for a light or a dark page, whose own background shows through."""
    out = io.StringIO()
    sized = chart.properties(width=WIDTH, height=HEIGHT, autosize=alt.AutoSizeParams(type="fit", contains="padding"))
    sized.configure(**_config(theme)).save(out, format="svg")
    return out.getvalue()


def _config(theme: str) -> dict[str, Any]:
    ink, guide, lines = _INK[theme], _GUIDE[theme], _LINES[theme]
    text = {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal"}
    return {
        "background": "transparent",
        "font": "sans-serif",
        "range": {"category": _SERIES[theme]},
        "mark": {"color": _SERIES[theme][0]},
        "view": {"stroke": None},
        "axis": {**text, "gridColor": lines, "domainColor": guide, "tickColor": guide},
        "legend": {**text, "orient": "top", "title": None, "symbolBaseFillColor": ink, "symbolBaseStrokeColor": ink},
        "line": {"strokeWidth": 2},
        "text": {"color": ink, "fontSize": 12},
        # Styles that a mark names: what explains the data without being any.
        "style": {
            "guide": {"color": guide, "strokeWidth": 1.3, "strokeDash": [5, 4]},
            "level": {"color": lines},
            "shade": {"color": guide, "opacity": 0.15},
            "spot": {"color": ink, "filled": True, "opacity": 1, "size": 70},
        },
    }
