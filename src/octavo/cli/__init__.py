"""The command line."""

from __future__ import annotations

from octavo.cli.app import main, run

__all__ = ["main", "run"]
