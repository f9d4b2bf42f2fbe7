"""Digits of a figure: as many as its uncertainty leaves a meaning to."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, isfinite, log10

# From this many decimals on, numbers are written with an exponent.
_MOST = 9


def decimals(reach: Iterable[float | None], unit: str = "") -> int:
    """Decimals that show two significant digits of the largest of these numbers, such as the ends of an interval.

    Args:
        reach: numbers on the scale of the figure; None, NaN and infinity are left out.
        unit: unit of the figure; points and dB have at least two decimals.
    """
    largest = max((abs(x) for x in reach if x is not None and isfinite(x)), default=0.0)
    least = 2 if unit else 0
    return max(least, 1 - floor(log10(largest))) if largest > 0.0 else max(least, 2)


def fixed(value: float, places: int, *, sign: bool = False) -> str:
    """Format with so many decimals, without a negative zero; very small numbers with an exponent."""
    form = f"z.{places}f" if places <= _MOST else ".2e"
    return format(value, f"+{form}" if sign else form)
