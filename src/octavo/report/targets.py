"""What each target accepts, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.targets import Target, TensorRule


def show_targets(console: Console, targets: Sequence[Target], this_machine: str) -> None:
    """Print one row a target; this machine's is marked."""
    table = Table(title="Targets", title_justify="left", show_lines=True)
    for heading in ("target", "for", "engines", "activations", "weights", "bias", "Q/DQ", "integers where"):
        table.add_column(heading, overflow="fold")
    for target in targets:
        mark = " *" if target.name == this_machine else ""
        table.add_row(
            f"[bold]{escape(target.name)}[/]{mark}",
            escape(target.title),
            ", ".join(target.engines),
            escape(_activations(target)),
            escape(_weights(target)),
            "int32" if target.integer_bias else "float32",
            "around each operator" if target.behind else "in front of operators",
            escape(", ".join(sorted(target.compute | target.carry))),
        )
    console.print(table)
    console.print("* what --target auto takes on this machine\n")
    for target in targets:
        for note in target.notes:
            console.print(f"{escape(target.name)}: {escape(note)}", soft_wrap=True)


def _activations(target: Target) -> str:
    text = f"{_rule(target.activations)}, {target.estimator}"
    if target.second_operand != target.activations:
        text += f"; second operand of a product {_rule(target.second_operand)}"
    return text


def _rule(rule: TensorRule) -> str:
    return f"{rule.grid} {'symmetric' if rule.symmetric else 'affine'}"


def _weights(target: Target) -> str:
    if not target.per_channel:
        return f"{target.weights}, per tensor"
    where = "" if target.weight_axes is None else f" on axis {' or '.join(map(str, target.weight_axes))}"
    return f"{target.weights}, per channel{where}"
