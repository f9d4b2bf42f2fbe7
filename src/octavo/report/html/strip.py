"""The network as a strip: one cell an operator, in graph order."""

from __future__ import annotations

from dataclasses import dataclass

from octavo.report.html.colours import colour
from octavo.report.plain import Plain
from octavo.report.text import decibels


@dataclass(frozen=True)
class Cell:
    """One operator: `layer` is its place among the integer layers, None where it stays in float."""

    label: str
    colour: str
    layer: int | None


def strip(result: Plain) -> list[Cell]:
    """A cell for each integer layer and each operator left in float."""
    layers = {layer["name"]: _layer(place, layer) for place, layer in enumerate(result["layers"])}
    floats = {left["name"]: Cell(f"{left['op']} {left['name']}: float", "", None) for left in result["left_float"]}
    cells = {**floats, **layers}
    order = {name: place for place, name in enumerate(result["operators"])}
    return [cells[name] for name in sorted(cells, key=lambda name: order.get(name, len(order)))]


def _layer(place: int, layer: Plain) -> Cell:
    ratio = decibels(layer["sqnr_db"]) or "not measured"
    return Cell(f"{layer['op']} {layer['name']}: {ratio}", colour(layer["sqnr_db"]), place)
