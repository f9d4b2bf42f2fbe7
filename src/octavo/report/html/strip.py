"""The network as a strip of cells, one per operator, in graph order."""

from __future__ import annotations

from dataclasses import dataclass

from octavo.report.html.colors import color
from octavo.report.plain import Plain
from octavo.report.text import decibels


@dataclass(frozen=True)
class Cell:
    """One operator; `layer` is its index among the integer layers, None for an operator in float."""

    label: str
    color: str
    layer: int | None


def strip(result: Plain) -> list[Cell]:
    """One cell for each integer layer and each operator in float."""
    layers = {layer["name"]: _layer(i, layer) for i, layer in enumerate(result["layers"])}
    floats = {left["name"]: Cell(f"{left['op']} {left['name']}: float", "", None) for left in result["left_float"]}
    cells = {**floats, **layers}
    order = {name: i for i, name in enumerate(result["operators"])}
    return [cells[name] for name in sorted(cells, key=lambda name: order.get(name, len(order)))]


def _layer(index: int, layer: Plain) -> Cell:
    sqnr = decibels(layer["sqnr_db"]) or "not measured"
    return Cell(f"{layer['op']} {layer['name']}: {sqnr}", color(layer["sqnr_db"]), index)
