"""A result in words, once; the terminal and the HTML page print it."""

from __future__ import annotations

from octavo.report.page import write_page

__all__ = ["write_page"]
