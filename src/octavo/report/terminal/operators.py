"""Time of each operator of a bundle, the slowest first."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.report.plain import Plain
from octavo.report.text import number_of, short, size

_SHOWN = 20


def show_operators(console: Console, name: str, costs: Sequence[Plain]) -> None:
    """Print a row for each of the slowest operators, and one row for all others together.

    Args:
        console: where to print.
        name: name of the bundle.
        costs: the operators as the JSON of a benchmark lists them.
    """
    total = sum(cost["milliseconds"] for cost in costs) or 1.0
    table = Table(title=f"Operators of {escape(name)}, {short(total)} ms together", title_justify="left")
    table.add_column("operator", overflow="fold", min_width=20)
    for heading in ("share", "ms", "bytes", "GOPS"):
        table.add_column(heading, justify="right", no_wrap=True)
    ranked = sorted(costs, key=lambda cost: -cost["milliseconds"])
    for cost in ranked[:_SHOWN]:
        milliseconds = cost["milliseconds"]
        label = f"[bold]{cost['kind']}[/] {escape(cost['name'])}"
        gops = "" if cost["gops"] is None else short(cost["gops"])
        table.add_row(label, f"{milliseconds / total:.1%}", short(milliseconds), size(cost["bytes"]), gops)
    rest = sum(cost["milliseconds"] for cost in ranked[_SHOWN:])
    if len(ranked) > _SHOWN:
        others = number_of(len(ranked) - _SHOWN, "other operator")
        table.add_row(others, f"{rest / total:.1%}", short(rest), "", "", style="dim")
    console.print(table)
