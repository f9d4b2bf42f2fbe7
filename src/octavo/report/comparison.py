"""Two models compared: outputs first, then layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.measure.compare import ComparedTensor, Comparison
from octavo.report.text import decibels


def show_comparison(console: Console, found: Comparison) -> None:
    """Print both tables; a layer far below its neighbours is where accuracy goes."""
    if found.outputs:
        console.print(_table("Outputs", found.outputs))
    else:
        console.print("the models share no output names")
    if found.layers:
        console.print(_table("Layers in order", found.layers))
        worst = min(found.layers, key=lambda each: each.error.sqnr_db)
        console.print(f"lowest: {escape(worst.op)} '{escape(worst.layer)}' with {decibels(worst.error.sqnr_db)}")
    else:
        console.print("the models share no inner tensor names, so only outputs can be compared")


def _table(title: str, tensors: Sequence[ComparedTensor]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("tensor", overflow="fold")
    table.add_column("written by", no_wrap=True)
    table.add_column("SQNR", justify="right", no_wrap=True)
    table.add_column("cosine", justify="right", no_wrap=True)
    for each in tensors:
        error = each.error
        table.add_row(escape(each.name), escape(each.op), decibels(error.sqnr_db), f"{error.cosine:.6f}")
    return table
