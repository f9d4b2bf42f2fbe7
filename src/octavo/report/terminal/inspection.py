"""A model before quantization: its operators, what becomes of each, sizes, and overflow bounds."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.report.plain import Plain
from octavo.report.text import number_of, size


def show_inspection(console: Console, inspection: Plain) -> None:
    """Print inputs and outputs, the operators by type and in order, and the sizes.

    Args:
        console: where to print.
        inspection: the plain form of an `Inspection`.
    """
    operators = inspection["operators"]
    for kind in ("input", "output"):
        for spec in inspection[f"{kind}s"]:
            shape = ", ".join("?" if dim is None else str(dim) for dim in spec["shape"])
            console.print(escape(f"{kind} {spec['name']}: {spec['dtype']} [{shape}]"))
    console.print(f"opset {inspection['opset']}, {number_of(len(operators), 'operator')} after folding\n")
    console.print(_kinds(inspection))
    console.print(_operators(inspection))
    integers = sum(row["integer"] for row in operators)
    console.print(
        f"weights {size(inspection['float_bytes'])} in float, about {size(inspection['integer_bytes'])} quantized; "
        f"{integers} of {len(operators)} operators in integers for {escape(inspection['target'])}"
    )
    console.print("accumulator: the largest value it can reach for any input, without bias; the limit is 2^31")


def _kinds(inspection: Plain) -> Table:
    table = Table(title="Operators by kind", title_justify="left")
    table.add_column("operator")
    table.add_column("integer", justify="right")
    table.add_column("float", justify="right")
    total = Counter(row["op"] for row in inspection["operators"])
    integers = Counter(row["op"] for row in inspection["operators"] if row["integer"])
    for op, count in total.most_common():
        table.add_row(escape(op), str(integers[op]), str(count - integers[op]))
    return table


def _operators(inspection: Plain) -> Table:
    table = Table(title="Operators in order", title_justify="left")
    table.add_column("operator", overflow="fold")
    table.add_column("becomes", no_wrap=True)
    table.add_column("accumulator, or reason", overflow="fold")
    for row in inspection["operators"]:
        note = escape(row["why"]) if row["bound"] is None else f"{row['bound'] / 2**31:.2%} of 2^31"
        style = None if row["integer"] else "dim"
        table.add_row(f"[bold]{escape(row['op'])}[/] {escape(row['name'])}", row["becomes"], note, style=style)
    return table
