"""Numbers as people read them."""

from __future__ import annotations


def short(value: float) -> str:
    """Three significant digits, never with an exponent for want of room before the point."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"


def size(count: int) -> str:
    """Bytes with a decimal unit."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{short(value)} {units[0]}"


def milliseconds(value: float) -> str:
    """A latency."""
    return f"{short(value)} ms"


def decibels(value: float | None) -> str:
    """A ratio in dB; what is exact has none."""
    return "" if value is None else "exact" if value >= 200 else f"{value:z.1f} dB"


def times(ratio: float, better: str, worse: str) -> str:
    """A ratio as "1.8x faster" or "1.2x slower"."""
    factor, word = (ratio, better) if ratio >= 1 else (1 / ratio, worse)
    text = f"{factor:.2f}x"
    return "the same" if text == "1.00x" else f"{text} {word}"


def number_of(count: int, what: str) -> str:
    """ "1 operator", "2 operators"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
