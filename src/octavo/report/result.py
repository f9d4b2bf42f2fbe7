"""The result of a quantization: the verdict, what stayed in float, and where accuracy went."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.measure import MetricResult
from octavo.recover import Step
from octavo.report.text import decibels, milliseconds, number_of, size, times
from octavo.result import QuantizationResult

_LARGEST_LIST = 12
_INPUT = re.compile(r"its input '.*' is float \(from .*\)(?=, )")


def show_result(console: Console, result: QuantizationResult, output: Path) -> None:
    """Print the verdict first, then what explains it, then the warnings."""
    console.print(_verdict(result, output))
    if result.steps:
        console.print()
        console.print(steps_table(result.steps))
    kinds = Counter(layer.op for layer in result.layers)
    console.print(
        f"\n{number_of(len(result.layers), 'operator')} in integers: "
        + ", ".join(f"{n} {op}" for op, n in kinds.items())
    )
    console.print(_proof_line(result))
    _show_left_float(console, result)
    _show_diagnosis(console, result)
    for warning in result.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)
    seconds = ", ".join(f"{stage} {taken:.1f}" for stage, taken in result.seconds.items())
    if result.verdict is not None:
        colour = {"met": "green", "not met": "red", "cannot tell": "yellow"}[result.verdict.kind]
        console.print(f"\n[{colour}]{escape(result.verdict.sentence)}[/]", soft_wrap=True)
    console.print(f"\n{sum(result.seconds.values()):.1f} s ({seconds}); peak memory {size(result.peak_rss_bytes)}")


def _verdict(result: QuantizationResult, output: Path) -> Table:
    table = Table(title=f"{escape(str(output))} for {escape(result.target)}", title_justify="left")
    table.add_column("", overflow="fold")
    table.add_column("float", justify="right", no_wrap=True)
    table.add_column("int8", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    if result.metric is not None:
        table.add_row(*_metric_row(result.metric))
    sizes = result.size_bytes
    ratio = sizes["float"] / sizes["quantized"]
    table.add_row("size", size(sizes["float"]), size(sizes["quantized"]), times(ratio, "smaller", "larger"))
    if result.latency_ms is not None:
        both = result.latency_ms
        speed = times(both["float"] / both["quantized"], "faster", "slower")
        note = f"{speed} here, at batch {result.latency_batch}"
        table.add_row("latency", milliseconds(both["float"]), milliseconds(both["quantized"]), note)
    return table


def steps_table(steps: Sequence[Step]) -> Table:
    """One row a rung that was tried; figures are those on the samples that chose."""
    table = Table(title="Rungs tried, on the samples to choose by", title_justify="left")
    table.add_column("rung", no_wrap=True)
    for heading in ("drop", "SQNR", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("what it did", overflow="fold")
    for step in steps:
        drop = "" if step.drop is None else f"{step.drop:+z.2f}"
        note = escape(step.note) if step.kept or step.drop is None else f"{escape(step.note)}; no better, taken back"
        style = None if step.kept else "dim"
        table.add_row(step.rung, drop, decibels(step.sqnr_db), f"{step.seconds:.1f}", note, style=style)
    return table


def _metric_row(metric: MetricResult) -> tuple[str, str, str, str]:
    form = "z.2f" if metric.unit else "z.4g"
    unit = f" {metric.unit}" if metric.unit else ""
    interval = "no interval"
    if metric.ci95 is not None:
        interval = "95% interval " + " to ".join(f"{end:+{form}}" for end in metric.ci95)
    drop = f"drop {metric.drop:{form}}{unit} ({interval}; {number_of(metric.samples, 'sample')})"
    return escape(metric.name), f"{metric.float_value:{form}}", f"{metric.quantized_value:{form}}", drop


def _proof_line(result: QuantizationResult) -> str:
    proofs = result.proofs
    worst = max((proof.bound for proof in proofs), default=0)
    if not proofs:
        return "no accumulators to prove"
    line = f"{number_of(len(proofs), 'accumulator')} proved to stay within 32 bits (at most {worst / 2**31:.1%} used)"
    terms = [proof.terms for proof in proofs if proof.terms is not None]
    return line + (f"; products of activations hold up to {min(terms)} terms" if terms else "")


def _show_left_float(console: Console, result: QuantizationResult) -> None:
    if not result.left_float:
        console.print("nothing is left in float")
        return
    reasons = Counter((left.op, _kind(left.why)) for left in result.left_float)
    console.print(f"\n{number_of(len(result.left_float), 'operator')} left in float:")
    for (op, why), count in reasons.most_common(_LARGEST_LIST):
        console.print(f"  {count} {escape(op)}: {escape(why)}", soft_wrap=True)
    if len(reasons) > _LARGEST_LIST:
        console.print(f"  and {len(reasons) - _LARGEST_LIST} kinds more; --json lists all")


def _kind(why: str) -> str:
    """The reason without the names that make each unlike its neighbours."""
    return _INPUT.sub("its input is float", why)


def _show_diagnosis(console: Console, result: QuantizationResult) -> None:
    if not result.diagnosis:
        return
    table = Table(title="Where most is lost", title_justify="left", show_lines=len(result.diagnosis) > 1)
    table.add_column("layer", overflow="fold", ratio=2)
    table.add_column("SQNR", justify="right", no_wrap=True)
    table.add_column("of the error", justify="right")
    table.add_column("why", overflow="fold", ratio=3)
    for found in result.diagnosis:
        causes = "\n".join(escape(cause) for cause in found.causes)
        share = "" if found.share is None else f"{found.share:.0%}"
        table.add_row(f"{escape(found.op)} {escape(found.layer)}", decibels(found.sqnr_db), share, causes)
    console.print()
    console.print(table)
