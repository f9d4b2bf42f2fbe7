"""MkDocs hook: puts the table of the registered targets in place of `<!-- targets -->`."""

from __future__ import annotations

from typing import Any

from octavo.affine import Grid
from octavo.targets import Target, TensorRule, target, target_names

_MARKER = "<!-- targets -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with the table of the targets."""
    return markdown.replace(_MARKER, table()) if _MARKER in markdown else markdown


def table() -> str:
    """One row per target: name, title, activation grid, weight grid."""
    rows = [[f"`{name}`", one.title, _activations(one), _weights(one)] for name, one in _targets().items()]
    lines = [["name", "for", "activations", "weights"], ["---"] * 4, *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _targets() -> dict[str, Target]:
    return {name: target(name) for name in target_names()}


def _activations(one: Target) -> str:
    return "`float32`" if one.weights_only else _rule(one.activations)


def _rule(rule: TensorRule) -> str:
    return _grid(rule.grid) + (", zero point 0" if rule.symmetric and rule.grid.signed else "")


def _weights(one: Target) -> str:
    if one.block_size is not None:
        return f"{_grid(one.weights)} in blocks of {one.block_size}"
    axes = "" if one.weight_axes is None else f", axis {', '.join(map(str, one.weight_axes))}"
    return f"{_grid(one.weights)} per {'channel' if one.per_channel else 'tensor'}{axes}"


def _grid(grid: Grid) -> str:
    return f"`{grid}`"
