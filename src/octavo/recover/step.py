"""The record of a rung that was tried."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Step:
    """The record of a rung that was tried.

    Attributes:
        rung: its name.
        note: what it did.
        kept: whether its state was kept.
        drop, drop_ci95: drop of the metric on the selection set, with its 95% interval; None where nothing changed.
        sqnr_db: SQNR of the outputs on the selection set; None where nothing changed.
        seconds: wall time, including the measurement.
        peak_rss_bytes: peak memory of the process after the rung.
        details: further figures of the rung, in plain types.
        withheld: whether it was skipped because it needs `allow_training`.
        failed: whether it ended in an error.
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
    failed: bool = False
