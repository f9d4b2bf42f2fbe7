"""Text and figures of a result, made once in `summary` and printed by `terminal` and `html`."""

from __future__ import annotations

from octavo.report.page import write_page

__all__ = ["write_page"]
