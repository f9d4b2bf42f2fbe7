"""A model before it is quantized: operators, what will become of each, sizes, overflow proof."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.pipeline.inspection import Inspection
from octavo.report.text import number_of, size


def show_inspection(console: Console, found: Inspection) -> None:
    """Print inputs and outputs, the operators by kind and by name, and the sizes."""
    for kind, specs in (("input", found.inputs), ("output", found.outputs)):
        for spec in specs:
            shape = ", ".join("?" if dim is None else str(dim) for dim in spec.shape)
            console.print(escape(f"{kind} {spec.name}: {spec.dtype} [{shape}]"))
    console.print(f"opset {found.opset}, {number_of(len(found.operators), 'operator')} once folded\n")
    console.print(_kinds(found))
    console.print(_operators(found))
    console.print(
        f"weights {size(found.float_bytes)} now, about {size(found.integer_bytes)} as planned; "
        f"{found.integer_operators} of {len(found.operators)} operators in integers for {escape(found.target)}"
    )
    console.print(
        "overflow proof: each accumulator's largest value over all inputs, biases not counted; the limit is 2^31"
    )


def _kinds(found: Inspection) -> Table:
    table = Table(title="Operators by kind", title_justify="left")
    for heading, side in (("operator", "left"), ("integer", "right"), ("float", "right")):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    total = Counter(row.op for row in found.operators)
    integers = Counter(row.op for row in found.operators if row.integer)
    for op, count in total.most_common():
        table.add_row(escape(op), str(integers[op]), str(count - integers[op]))
    return table


def _operators(found: Inspection) -> Table:
    table = Table(title="Operators in order", title_justify="left")
    table.add_column("operator", overflow="fold")
    table.add_column("becomes", no_wrap=True)
    table.add_column("accumulator, or why", overflow="fold")
    for row in found.operators:
        note = escape(row.why) if row.bound is None else f"{row.bound / 2**31:.2%} of 2^31"
        style = None if row.integer else "dim"
        table.add_row(f"[bold]{escape(row.op)}[/] {escape(row.name)}", row.becomes, note, style=style)
    return table
