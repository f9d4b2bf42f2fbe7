"""Latencies side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.engines.native import OperatorCost
from octavo.measure import Latency
from octavo.report.text import short, size, times


def bench_json(
    paths: Sequence[Path],
    sizes: Sequence[int],
    found: Sequence[Latency],
    batch: int,
    threads: int | None,
    costs: Mapping[Path, Sequence[OperatorCost]],
) -> str:
    """All of it as JSON text; `operators` is null where they were not timed, and `threads` where none were named."""
    models = [
        {"model": str(path), "size_bytes": stored, **asdict(each), "operators": _operators(costs.get(path))}
        for path, stored, each in zip(paths, sizes, found, strict=True)
    ]
    return json.dumps({"batch": batch, "threads": threads, "models": models}, indent=2, ensure_ascii=False) + "\n"


def _operators(costs: Sequence[OperatorCost] | None) -> list[dict[str, Any]] | None:
    return None if costs is None else [{**asdict(cost), "gops": cost.gops} for cost in costs]


def show_latencies(
    console: Console,
    names: Sequence[str],
    sizes: Sequence[int],
    found: Sequence[Latency],
    batch: int,
    threads: str,
    engines: str = "ONNX Runtime",
) -> None:
    """Print one row a model; ratios are against the first."""
    title = f"Latency in ms, {engines}, batch {batch}, {threads}, {found[0].runs} rounds interleaved"
    table = Table(title=title, title_justify="left")
    table.add_column("model", overflow="fold")
    for heading in ("size", "median", "quartiles", "against\nthe first"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, stored, each in zip(names, sizes, found, strict=True):
        ratio = "" if each is found[0] else times(found[0].median_ms / each.median_ms, "faster", "slower")
        spread = f"{short(each.low_ms)} … {short(each.high_ms)}"
        table.add_row(escape(name), size(stored), short(each.median_ms), spread, ratio)
    console.print(table)
