"""The HTML page of a result, and the HTML that a notebook shows."""

from __future__ import annotations

from typing import Any

from octavo.report import summary
from octavo.report.html import charts
from octavo.report.html.colors import HIGH_DB, LOW_DB, color
from octavo.report.html.environment import chart, rendered
from octavo.report.html.library import altair, vega
from octavo.report.html.panel import layer_panels, tensor_panels
from octavo.report.html.plots import pareto_points, tensors_of
from octavo.report.html.strip import strip
from octavo.report.plain import Plain
from octavo.report.summary import main_values
from octavo.report.text import decibels, short

_STEPS = 11


def result_page(result: Plain, title: str) -> str:
    """Render a result as one self-contained HTML file.

    Args:
        result: the plain form of a result, as `QuantizationResult.to_dict` gives it or JSON holds it.
        title: title of the page, usually the name of the model.

    Raises:
        DependencyError: the plotting library is not installed.
    """
    figures, tensor = _charts(result), altair().NamedData("tensor")
    contents = {
        "layers": layer_panels(result),
        "tensors": tensor_panels(result),
        "charts": figures,
        "templates": {
            "values": chart(charts.histogram_of(tensor, integers=False), ""),
            "integers": chart(charts.histogram_of(tensor, integers=True), ""),
            "range": chart(charts.channels_of(tensor, magnitudes=False), ""),
            "magnitude": chart(charts.channels_of(tensor, magnitudes=True), ""),
        },
    }
    return rendered(
        "result.html",
        title=title,
        result=result,
        summary=summary,
        cells=strip(result),
        legend=legend(),
        rows=_rows(result),
        charts=figures,
        contents=contents,
        vega=vega(),
    )


def result_fragment(result: Plain) -> str:
    """Verdict, figures and strip, without scripts, for a notebook."""
    return rendered("fragment.html", result=result, summary=summary, cells=strip(result), legend=legend())


def legend() -> list[tuple[str, str]]:
    """SQNR values and their colors, ascending."""
    ratios = [LOW_DB + i * (HIGH_DB - LOW_DB) / (_STEPS - 1) for i in range(_STEPS)]
    return [(f"{ratio:.0f}", color(ratio)) for ratio in ratios]


def _charts(result: Plain) -> dict[str, Any]:
    """The charts by section; sections without data have none."""
    figures: dict[str, Any] = {}
    metric, measured = result["metric"], [layer for layer in result["layers"] if layer["sqnr_db"] is not None]
    if metric is not None and metric["drop"] is not None:
        budget = None if result["verdict"] is None else result["verdict"]["budget"]
        figures["drop"] = chart(charts.drop(metric, budget), f"{metric['name']}: {summary.figures(result)[0].note}")
    if measured:
        worst = min(measured, key=lambda layer: layer["sqnr_db"])
        description = (
            f"SQNR of {len(measured)} layers in graph order; lowest is {worst['name']}, {decibels(worst['sqnr_db'])}"
        )
        figures["layers"] = chart(charts.layers(result), description)
    shares = [layer for layer in result["layers"] if layer["share"] is not None]
    if shares:
        largest = max(shares, key=lambda layer: layer["share"])
        description = f"Shares of the output error; the largest is that of {largest['name']}, {largest['share']:.0%}"
        figures["sensitivity"] = chart(charts.sensitivity(result), description)
    points = pareto_points(result)
    if points:
        description = f"Drop against bit operations at {len(points)} sets of layers with more bits"
        figures["pareto"] = chart(charts.pareto(points), description)
    return figures


def _rows(result: Plain) -> list[dict[str, Any]]:
    """Rows of the table of layers: for each cell its text and its sort key."""
    rows = []
    for i, layer in enumerate(result["layers"]):
        values = main_values(layer, result)
        clipped = None if values is None else values["clipped"]
        cells = [
            (str(i + 1), i),
            (layer["op"], layer["op"]),
            (layer["name"], layer["name"]),
            (" · ".join(dict.fromkeys(tensor["grid"] for tensor in tensors_of(layer))), layer["grid"]),
            (decibels(layer["sqnr_db"]), layer["sqnr_db"]),
            ("" if layer["cosine"] is None else f"{layer['cosine']:.6f}", layer["cosine"]),
            ("" if layer["share"] is None else f"{layer['share']:.1%}", layer["share"]),
            ("" if clipped is None else f"{clipped:.3%}", clipped),
            ("" if layer["native_ms"] is None else short(layer["native_ms"]), layer["native_ms"]),
        ]
        rows.append({"place": i, "cells": cells})
    return rows
