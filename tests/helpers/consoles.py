"""The text that a `show_` function prints."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

from rich.console import Console

WIDTHS = (80, 120)
WIDE = 250
# An ellipsis between spaces denotes a range; one next to a word is truncation.
_CUT = re.compile(r"\S…|…\S")


def rendered(show: Callable[..., None], *arguments: Any, width: int = 80) -> str:
    """The text at a width; fails if a table is wider or a cell is truncated."""
    file = StringIO()
    show(Console(file=file, width=width, highlight=False, color_system=None), *arguments)
    text = file.getvalue()
    assert not _CUT.search(text), text
    assert all(len(line) <= width for line in text.splitlines() if line.startswith(("│", "┃", "┏"))), text
    return text


def rows(text: str, title: str = "") -> list[list[str]]:
    """The cells of the table under a title, per row; the text must be wide enough that no cell is wrapped."""
    table: list[list[str]] = []
    for line in text[text.index(title) :].splitlines():
        if line.startswith("│"):
            table.append([cell.strip() for cell in line.strip("│").split("│")])
        elif line.startswith("└"):
            break
    return table


def words(text: str) -> set[str]:
    """The words between spaces; words that are wrapped in the middle are missing."""
    return set(text.replace("│", " ").split())
