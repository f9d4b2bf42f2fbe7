"""The command line: one file a verb, which parses, calls the library and prints."""

from __future__ import annotations

from octavo.cli.app import main, run

__all__ = ["main", "run"]
