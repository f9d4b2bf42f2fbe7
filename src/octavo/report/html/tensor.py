"""The data of one tensor that its charts draw."""

from __future__ import annotations

from typing import Any

from octavo.affine import Grid
from octavo.report.plain import Plain


def record(tensor: Plain, values: Plain) -> dict[str, Any]:
    """Histogram, grid and ranges of channels: `first` is the lowest grid value, `step` the distance between two.

    If the histogram is of integers, all of these are in units of integers.
    """
    histogram, grid = values["histogram"], Grid.parse(tensor["grid"])
    data: dict[str, Any] = {}
    if histogram is not None:
        shares = histogram["shares"]
        integers = histogram["integers"]
        step = 1.0 if integers else tensor["scale"][0]
        zero_point = tensor["zero_point"][0]
        data |= {
            "low": _short(histogram["low"]),
            "width": _short((histogram["high"] - histogram["low"]) / len(shares)),
            "shares": shares,
            "first": _short(float(grid.qmin) if integers else step * (grid.qmin - zero_point)),
            "step": _short(step),
            "levels": grid.levels,
            "zero": float(zero_point) if integers else 0.0,
        }
    if values["channels"] is not None:
        data |= {
            "lows": values["channels"]["low"],
            "highs": values["channels"]["high"],
            "every": values["channels"]["step"],
        }
    return data


def _short(number: float) -> float:
    return float(f"{number:.7g}")
