"""Inference engines behind one interface."""

from __future__ import annotations

from octavo.engines.engine import Engine

__all__ = ["Engine"]
