"""What is told of a rung that was tried."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Step:
    """One rung as it was tried.

    Attributes:
        rung: its name.
        note: what it did.
        kept: whether what follows stands on it.
        drop, drop_ci95: of the metric, on the samples to choose by; None where nothing changed.
        sqnr_db: of the model's outputs there.
        seconds: of the rung itself, its measurement included.
        peak_rss_bytes: the process's peak memory when it was done.
        details: further figures of the rung's own.
        withheld: it was not begun, for nobody allowed what it takes.
    """

    rung: str
    note: str
    kept: bool
    drop: float | None
    drop_ci95: list[float] | None
    sqnr_db: float | None
    seconds: float
    peak_rss_bytes: int
    details: dict[str, Any] = field(default_factory=dict)
    withheld: bool = False
