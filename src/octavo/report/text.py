"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence


def size(count: int) -> str:
    """Bytes with a decimal unit."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.3g} {units[0]}"


def milliseconds(value: float) -> str:
    """A latency."""
    return f"{value:.3g} ms"


def decibels(value: float | None) -> str:
    """A ratio in dB; what is exact has none."""
    return "" if value is None else "exact" if value >= 200 else f"{value:.1f} dB"


def times(ratio: float, better: str, worse: str) -> str:
    """A ratio as "1.8x faster" or "1.2x slower"."""
    return f"{ratio:.2f}x {better}" if ratio >= 1 else f"{1 / ratio:.2f}x {worse}"


def several(values: Sequence[float], form: str = ".4g") -> str:
    """One number, or the ends of several."""
    if len(values) == 1:
        return f"{values[0]:{form}}"
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low} … {high}"
