"""Latencies of several models side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.report.plain import Plain
from octavo.report.text import number_of, short, size, times


def show_latencies(console: Console, benchmark: Plain, isa: str) -> None:
    """Print one row for each model; ratios are relative to the first.

    Args:
        console: where to print.
        benchmark: the plain form of a `Benchmark`.
        isa: instruction set of the native runtime.
    """
    timings = benchmark["timings"]
    native = [timing["native"] for timing in timings]
    rounds = timings[0]["latency"]["runs"]
    settings = f"batch {benchmark['batch_size']}, {_threads(native, benchmark['threads'])}"
    title = f"Latency in ms, {_engines(native, isa)}, {settings}, {rounds} rounds interleaved"
    table = Table(title=title, title_justify="left")
    table.add_column("model", overflow="fold")
    for heading in ("size", "median", "quartiles", "against\nthe first"):
        table.add_column(heading, justify="right", no_wrap=True)
    first = timings[0]["latency"]["median_ms"]
    for number, timing in enumerate(timings):
        latency = timing["latency"]
        median = latency["median_ms"]
        quartiles = f"{short(latency['low_ms'])} … {short(latency['high_ms'])}"
        ratio = "" if number == 0 else times(first / median, "faster", "slower")
        table.add_row(escape(timing["model"]), size(timing["size_bytes"]), short(median), quartiles, ratio)
    console.print(table)


def _engines(native: Sequence[bool], isa: str) -> str:
    """The engines that time the models."""
    names = ["ONNX Runtime"] * (not all(native)) + [f"native ({isa})"] * any(native)
    return " and ".join(names)


def _threads(native: Sequence[bool], threads: int | None) -> str:
    """The number of threads of each engine."""
    if threads is not None or all(native):
        return number_of(threads or 1, "thread")
    return f"{'1 thread native, ' * any(native)}threads as ONNX Runtime chooses ({os.cpu_count()} cores)"
