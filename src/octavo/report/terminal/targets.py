"""A table of the targets and what each accepts."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from octavo.report.plain import Plain


def show_targets(console: Console, targets: Sequence[Plain], this_machine: str) -> None:
    """Print one row for each target, and below the table its engines, operators and notes.

    Args:
        console: where to print.
        targets: the plain form of each `Target`.
        this_machine: name of the target to mark as that of this machine.
    """
    table = Table(title="Targets", title_justify="left", show_lines=True)
    table.add_column("target", no_wrap=True)
    for heading in ("activations", "weights; bias", "Q/DQ"):
        table.add_column(heading)
    for target in targets:
        mark = " *" if target["name"] == this_machine else ""
        table.add_row(
            f"[bold]{escape(target['name'])}[/]{mark}",
            escape(_activations(target)),
            escape(_weights(target)),
            "around operators" if target["behind"] else "before operators",
        )
    console.print(table)
    console.print("* the target of --target auto on this machine")
    for target in targets:
        _show_notes(console, target)


def _show_notes(console: Console, target: Plain) -> None:
    engines = escape(", ".join(target["engines"]))
    console.print(f"\n[bold]{escape(target['name'])}[/]: {escape(target['title'])}; for {engines}")
    operators = f"integer operators: {', '.join(sorted({*target['compute'], *target['carry']}))}"
    for line in (operators, *target["notes"]):
        console.print(Padding(escape(line), (0, 0, 0, 2)))


def _activations(target: Plain) -> str:
    if target["weights_only"]:
        return "float32"
    text = f"{_rule(target['activations'])}, {target['estimator']}"
    if target["second_operand"] != target["activations"]:
        text += f"; second operand of a product {_rule(target['second_operand'])}"
    return text


def _rule(rule: Plain) -> str:
    return f"{rule['grid']} {'symmetric' if rule['symmetric'] else 'affine'}"


def _weights(target: Plain) -> str:
    axes = "" if target["weight_axes"] is None else f" on axis {' or '.join(map(str, target['weight_axes']))}"
    scales = f"per channel{axes}" if target["per_channel"] else "per tensor"
    if target["block_size"] is not None:
        scales = f"in blocks of {target['block_size']}"
    return f"{target['weights']}, {scales}; {'int32' if target['integer_bias'] else 'float32'}"
