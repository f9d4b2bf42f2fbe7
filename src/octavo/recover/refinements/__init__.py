"""The refinements of plain quantization: cheap, and each kept only where samples that were not fitted confirm it."""

from __future__ import annotations

from octavo.recover.refinements.refine import REFINEMENTS, follow, refine

__all__ = ["REFINEMENTS", "follow", "refine"]
