"""The page of a comparison: several models side by side against one."""

from __future__ import annotations

from collections.abc import Sequence

from octavo.report.comparison import shared_tensors
from octavo.report.html import charts
from octavo.report.html.colours import colour
from octavo.report.html.environment import chart, rendered
from octavo.report.html.library import vega
from octavo.report.plain import Plain
from octavo.report.text import decibels


def comparison_page(first: str, others: Sequence[str], comparisons: Sequence[Plain], sizes: Sequence[str]) -> str:
    """One HTML file that holds everything it shows.

    Args:
        first: name of the reference model.
        others: names of the compared models.
        comparisons: the plain form of one `Comparison` for each of them.
        sizes: sizes of all models as text, the reference first.

    Raises:
        DependencyError: the plotting library is not installed.
    """
    names = _distinct(others)
    rows = shared_tensors(comparisons)
    lines = [
        {"place": place + 1, "layer": row.layer, "model": name, "sqnr": error["sqnr_db"]}
        for place, row in enumerate(rows)
        for name, error in zip(names, row.errors, strict=True)
        if error is not None
    ]
    drawn = {}
    if lines:
        words = f"SQNR of {len(rows)} tensors in graph order for {', '.join(names)}"
        drawn["comparison"] = chart(charts.comparison(names, lines), words)
    return rendered(
        "comparison.html",
        first=first,
        names=names,
        sizes=sizes,
        outputs=[row for row in rows if row.output],
        rows=rows,
        charts=drawn,
        decibels=decibels,
        colour=colour,
        contents={"charts": drawn, "layers": [], "tensors": {}, "templates": {}},
        vega=vega(),
    )


def _distinct(names: Sequence[str]) -> list[str]:
    """The same names, numbered where one stands twice."""
    return [name if list(names).count(name) == 1 else f"{name} ({place + 1})" for place, name in enumerate(names)]
