"""Counts for people."""

from __future__ import annotations


def rounded_up(count: int) -> str:
    """A count rounded up to two significant digits, with separators of thousands."""
    step = 10 ** max(len(str(count)) - 2, 0)
    return f"{-(-count // step) * step:,}"
