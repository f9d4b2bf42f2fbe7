"""The consoles of the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

# The width of tables in files and pipes, which have no terminal width.
_WIDTH = 120


class _Rewriting(Console):
    """A console that rewrites every text before it prints or measures it."""

    def __init__(self, rewrite: Callable[[str], str], width: int | None) -> None:
        super().__init__(highlight=False, width=width)
        self._rewrite = rewrite

    def render_str(self, text: str, **options: Any) -> Text:
        """Rewrite the text, then render its markup."""
        return super().render_str(self._rewrite(text), **options)


def stdout(rewrite: Callable[[str], str] = str) -> Console:
    """The console for results.

    Args:
        rewrite: applied to every text that is printed.
    """
    known = Console().is_terminal or "COLUMNS" in os.environ
    return _Rewriting(rewrite, None if known else _WIDTH)


def stderr() -> Console:
    """The console for progress and errors; it never wraps a sentence."""
    return Console(stderr=True, highlight=False, soft_wrap=True)
