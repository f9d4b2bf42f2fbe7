"""The HTML page of models that are compared with a reference model."""

from __future__ import annotations

from collections.abc import Sequence

from octavo.report.comparison import shared_tensors
from octavo.report.html import charts
from octavo.report.html.colors import color
from octavo.report.html.environment import chart, rendered
from octavo.report.html.library import vega
from octavo.report.plain import Plain
from octavo.report.text import decibels


def comparison_page(first: str, others: Sequence[str], comparisons: Sequence[Plain], sizes: Sequence[str]) -> str:
    """Render a comparison as one self-contained HTML file.

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
        {"place": i + 1, "layer": row.layer, "model": name, "sqnr": error["sqnr_db"]}
        for i, row in enumerate(rows)
        for name, error in zip(names, row.errors, strict=True)
        if error is not None
    ]
    figures = {}
    if lines:
        description = f"SQNR of {len(rows)} tensors in graph order for {', '.join(names)}"
        figures["comparison"] = chart(charts.comparison(names, lines), description)
    return rendered(
        "comparison.html",
        first=first,
        names=names,
        sizes=sizes,
        outputs=[row for row in rows if row.output],
        rows=rows,
        charts=figures,
        decibels=decibels,
        color=color,
        contents={"charts": figures, "layers": [], "tensors": {}, "templates": {}},
        vega=vega(),
    )


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, with numbers added to equal ones."""
    return [name if list(names).count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(names)]
