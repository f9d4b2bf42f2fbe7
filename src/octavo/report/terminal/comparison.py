"""Models compared with one: outputs first, then layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.measure.compare import Comparison, SharedTensor, shared
from octavo.measure.layers import TensorError
from octavo.report.text import decibels


def show_comparisons(console: Console, names: Sequence[str], found: Sequence[Comparison]) -> None:
    """Print both tables; a layer far below its neighbours is where accuracy goes.

    Args:
        names: of the models that were compared with the first.
        found: one comparison for each.
    """
    tensors = shared(found)
    outputs, layers = ([each for each in tensors if each.output is output] for output in (True, False))
    if outputs:
        console.print(_table("Outputs", names, outputs))
    else:
        console.print("the models share no output names")
    if not layers:
        console.print("the models share no inner tensor names, so only outputs can be compared")
        return
    console.print(_table("Layers in order", names, layers))
    for name, comparison in zip(names, found, strict=True):
        if comparison.layers:
            worst = min(comparison.layers, key=lambda each: each.error.sqnr_db)
            of = f" of {escape(name)}" if len(names) > 1 else ""
            ratio = decibels(worst.error.sqnr_db)
            console.print(f"lowest{of}: {escape(worst.op)} '{escape(worst.layer)}' with {ratio}")


def _table(title: str, names: Sequence[str], tensors: Sequence[SharedTensor]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("tensor", overflow="fold")
    table.add_column("written by", no_wrap=True)
    for name in names:
        before = f"{escape(name)}\n" if len(names) > 1 else ""
        table.add_column(f"{before}SQNR", justify="right", overflow="fold")
        table.add_column("cosine", justify="right", no_wrap=True)
    for each in tensors:
        cells = [cell for error in each.errors for cell in _cells(error)]
        table.add_row(escape(each.name), escape(each.op), *cells)
    return table


def _cells(error: TensorError | None) -> tuple[str, str]:
    return ("", "") if error is None else (decibels(error.sqnr_db), f"{error.cosine:.6f}")
