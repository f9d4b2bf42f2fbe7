"""What charts and page draw of one tensor, as one small record."""

from __future__ import annotations

from typing import Any

from octavo.affine import Grid
from octavo.report.plain import Plain


def record(tensor: Plain, values: Plain) -> dict[str, Any]:
    """Bins, grid and channel ends in numbers: `first` is the grid's lowest value, `step` the distance of two.

    Where the histogram counts integers, so do all of its figures.
    """
    histogram, grid = values["histogram"], Grid.parse(tensor["grid"])
    found: dict[str, Any] = {}
    if histogram is not None:
        shares = histogram["shares"]
        integers = histogram["integers"]
        step = 1.0 if integers else tensor["scale"][0]
        zero_point = tensor["zero_point"][0]
        found |= {
            "low": _short(histogram["low"]),
            "width": _short((histogram["high"] - histogram["low"]) / len(shares)),
            "shares": shares,
            "first": _short(float(grid.qmin) if integers else step * (grid.qmin - zero_point)),
            "step": _short(step),
            "levels": grid.levels,
            "zero": float(zero_point) if integers else 0.0,
        }
    if values["channels"] is not None:
        found |= {
            "lows": values["channels"]["low"],
            "highs": values["channels"]["high"],
            "every": values["channels"]["step"],
        }
    return found


def _short(number: float) -> float:
    return float(f"{number:.7g}")
