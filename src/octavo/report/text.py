"""Format numbers for people."""

from __future__ import annotations


def short(value: float) -> str:
    """Format with three significant digits and no exponent for large values."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"


def size(count: int) -> str:
    """Format a number of bytes with a decimal unit."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{short(value)} {units[0]}"


def milliseconds(value: float) -> str:
    """Format a latency in milliseconds."""
    return f"{short(value)} ms"


def decibels(value: float | None) -> str:
    """Format a ratio in dB: empty for None, "exact" from 200 dB."""
    return "" if value is None else "exact" if value >= 200 else f"{value:z.1f} dB"


def times(ratio: float, better: str, worse: str) -> str:
    """Format a ratio, as "1.8x faster" or "1.2x slower"."""
    factor, word = (ratio, better) if ratio >= 1 else (1 / ratio, worse)
    text = f"{factor:.2f}x"
    return "the same" if text == "1.00x" else f"{text} {word}"


def number_of(count: int, what: str) -> str:
    """Format a count with its noun: "1 operator", "2 operators"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
