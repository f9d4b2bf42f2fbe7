"""Where things are printed."""

from __future__ import annotations

import os

from rich.console import Console

# Wide enough for tables in files and pipes, where there is no terminal to ask.
_WIDTH = 120


def stdout() -> Console:
    """The console for results."""
    console = Console(highlight=False)
    stated = console.is_terminal or "COLUMNS" in os.environ
    return console if stated else Console(highlight=False, width=_WIDTH)


def stderr() -> Console:
    """The console for progress and complaints; it never wraps a sentence."""
    return Console(stderr=True, highlight=False, soft_wrap=True)
