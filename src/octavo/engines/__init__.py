"""One face to run a model."""

from __future__ import annotations

from octavo.engines.engine import Engine

__all__ = ["Engine"]
