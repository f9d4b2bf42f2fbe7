"""Tables of models that are compared with a reference model: outputs first, then inner tensors."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.report.comparison import SharedTensor, shared_tensors
from octavo.report.plain import Plain
from octavo.report.text import decibels


def show_comparisons(console: Console, names: Sequence[str], comparisons: Sequence[Plain]) -> None:
    """Print the error of each shared tensor in each compared model, and the layer with the lowest SQNR.

    Args:
        console: where to print.
        names: names of the compared models.
        comparisons: the plain form of one `Comparison` for each of them.
    """
    tensors = shared_tensors(comparisons)
    outputs, layers = ([tensor for tensor in tensors if tensor.output is output] for output in (True, False))
    if outputs:
        console.print(_table("Outputs", names, outputs))
    else:
        console.print("the models share no output names")
    if not layers:
        console.print("the models share no inner tensor names, so only outputs can be compared")
        return
    console.print(_table("Layers in order", names, layers))
    for name, comparison in zip(names, comparisons, strict=True):
        if comparison["layers"]:
            lowest = min(comparison["layers"], key=lambda tensor: tensor["error"]["sqnr_db"])
            of = f" of {escape(name)}" if len(names) > 1 else ""
            sqnr = decibels(lowest["error"]["sqnr_db"])
            console.print(f"lowest SQNR{of}: {escape(lowest['op'])} '{escape(lowest['layer'])}', {sqnr}")


def _table(title: str, names: Sequence[str], tensors: Sequence[SharedTensor]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("tensor", overflow="fold")
    table.add_column("written by", no_wrap=True)
    for name in names:
        prefix = f"{escape(name)}\n" if len(names) > 1 else ""
        table.add_column(f"{prefix}SQNR", justify="right", overflow="fold")
        table.add_column("cosine", justify="right", no_wrap=True)
    for tensor in tensors:
        cells = [cell for error in tensor.errors for cell in _cells(error)]
        table.add_row(escape(tensor.name), escape(tensor.op), *cells)
    return table


def _cells(error: Plain | None) -> tuple[str, str]:
    return ("", "") if error is None else (decibels(error["sqnr_db"]), f"{error['cosine']:.6f}")
