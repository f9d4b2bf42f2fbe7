"""Progress callbacks of long operations."""

from __future__ import annotations

from typing import Protocol


def rough_duration(seconds: float) -> str:
    """A forecast in words, as "40 s" or "7 min"; at least a second."""
    return f"{max(round(seconds), 1)} s" if seconds < 100 else f"{round(seconds / 60)} min"


class Progress(Protocol):
    """Receives progress events; the terminal draws them."""

    def announce(self, line: str) -> None:
        """Describe the work that follows, in one line."""

    def start(self, stage: str, total: int | None = None) -> None:
        """Begin a stage of `total` steps, or None when unknown."""

    def advance(self, steps: int = 1) -> None:
        """Report `steps` more steps of the current stage as done."""

    def done(self) -> None:
        """End the current stage."""


class Silent:
    """A `Progress` that ignores all events."""

    def announce(self, line: str) -> None: ...

    def start(self, stage: str, total: int | None = None) -> None: ...

    def advance(self, steps: int = 1) -> None: ...

    def done(self) -> None: ...
