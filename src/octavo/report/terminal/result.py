"""The result of a quantization: figures, rungs, layers with the largest error, and the verdict last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.report import summary
from octavo.report.plain import Plain
from octavo.report.text import number_of

_MAX_REASONS = 12
_COLORS = {"met": "green", "not met": "red", "cannot tell": "yellow", "no budget": "bold"}


def show_result(console: Console, result: Plain, output: Path) -> None:
    """Print figures, rungs, operators, the worst layers, warnings, and the verdict in the last line.

    Args:
        console: where to print.
        result: the plain form of a `QuantizationResult`.
        output: path of the quantized model.
    """
    console.print(_figures(result, f"{output} for {result['target']}"))
    rows = summary.output_rows(result)
    if rows:
        console.print()
        console.print(_outputs(rows))
        if by := summary.judged_by(result):
            console.print(escape(by), soft_wrap=True)
    if result["steps"]:
        console.print()
        console.print(_rungs(summary.rung_rows(result)))
    console.print(f"\n{summary.kinds(result)}")
    console.print(summary.proof_line(result))
    for line in summary.refined(result):
        console.print(line)
    _show_left_float(console, result)
    _show_worst(console, result)
    for warning in result["warnings"]:
        console.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)
    console.print(f"\n{summary.spent(result)}")
    color = _COLORS[summary.verdict_kind(result)]
    console.print(f"[{color}]{escape(summary.headline(result))}[/]", soft_wrap=True)


def _figures(result: Plain, title: str) -> Table:
    table = Table(title=escape(title), title_justify="left")
    table.add_column("", overflow="fold")
    table.add_column("float", justify="right", no_wrap=True)
    table.add_column("int8", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for row in summary.figures(result):
        table.add_row(escape(row.name), row.float_value, row.quantized_value, escape(row.note))
    return table


def _outputs(rows: Sequence[summary.OutputRow]) -> Table:
    """One row for each output, or part of one."""
    table = Table(title="Outputs against the float model's", title_justify="left")
    table.add_column("output", overflow="fold")
    for heading in ("agreement", "SQNR", "cosine", "worst sample"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("agreement is", overflow="fold")
    for row in rows:
        table.add_row(escape(row.name), row.agreement, row.sqnr, row.cosine, row.worst, escape(row.figure))
    return table


def _rungs(rows: Sequence[summary.RungRow]) -> Table:
    """One row for each rung that was tried."""
    table = Table(title="Rungs tried, measured on the selection set", title_justify="left")
    table.add_column("rung", no_wrap=True)
    for heading in ("drop", "SQNR", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("effect", overflow="fold")
    for row in rows:
        style = None if row.kept else "dim"
        table.add_row(row.rung, row.drop, row.sqnr, row.seconds, escape(row.note), style=style)
    return table


def _show_left_float(console: Console, result: Plain) -> None:
    reasons = summary.left_float(result)
    if not reasons:
        console.print("nothing is left in float")
        return
    console.print(f"\n{number_of(len(result['left_float']), 'operator')} left in float:")
    for op, why, names in reasons[:_MAX_REASONS]:
        console.print(f"  {len(names)} {escape(op)}: {escape(why)}", soft_wrap=True)
    if len(reasons) > _MAX_REASONS:
        console.print(f"  and {len(reasons) - _MAX_REASONS} more reasons; --json lists all")


def _show_worst(console: Console, result: Plain) -> None:
    rows = summary.worst_layers(result)
    if not rows:
        return
    table = Table(title="Layers with the largest error", title_justify="left")
    table.add_column("layer", overflow="fold")
    table.add_column("values on its grid", no_wrap=True)
    table.add_column("SQNR", justify="right", no_wrap=True)
    table.add_column("share of\nthe error", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(f"{escape(row.op)} {escape(row.name)}", row.spark, row.sqnr, row.share)
    console.print()
    console.print(table)
    for row in rows:
        for cause in row.causes:
            console.print(f"  {escape(row.name)}: {escape(cause)}", soft_wrap=True)
