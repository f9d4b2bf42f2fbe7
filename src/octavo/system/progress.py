"""How long work tells whoever watches how far it has come."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the course of the work; the terminal draws it, a library caller may ignore it."""

    def announce(self, line: str) -> None:
        """One line about what comes, before work that takes long."""

    def start(self, stage: str, total: int | None = None) -> None:
        """A stage begins; `total` steps are expected, or None when unknown."""

    def advance(self, steps: int = 1) -> None:
        """So many steps of the current stage are done."""

    def done(self) -> None:
        """The current stage has ended."""


class Silent:
    """A `Progress` that says nothing."""

    def announce(self, line: str) -> None: ...

    def start(self, stage: str, total: int | None = None) -> None: ...

    def advance(self, steps: int = 1) -> None: ...

    def done(self) -> None: ...
