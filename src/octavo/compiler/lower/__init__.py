"""From a QDQ graph to operators of the native runtime: one file a family of operators."""

from __future__ import annotations

from octavo.compiler.lower.graph import lower

__all__ = ["lower"]
