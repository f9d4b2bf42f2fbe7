"""Latencies side by side."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.measure import Latency
from octavo.report.text import milliseconds, size, times


def show_latencies(
    console: Console, names: Sequence[str], sizes: Sequence[int], found: Sequence[Latency], batch: int, threads: str
) -> None:
    """Print one row a model; ratios are against the first."""
    rounds = found[0].runs
    table = Table(
        title=f"Latency, ONNX Runtime, batch {batch}, {threads}, {rounds} rounds interleaved", title_justify="left"
    )
    table.add_column("model", overflow="fold")
    for heading in ("size", "median", "quartiles", "against the first"):
        table.add_column(heading, justify="right")
    for name, stored, each in zip(names, sizes, found, strict=True):
        ratio = "" if each is found[0] else times(found[0].median_ms / each.median_ms, "faster", "slower")
        spread = f"{each.low_ms:.3g} … {each.high_ms:.3g} ms"
        table.add_row(escape(name), size(stored), milliseconds(each.median_ms), spread, ratio)
    console.print(table)
