"""The refinements of plain quantization: cheap, and each kept only where samples that were not fitted confirm it."""

from __future__ import annotations

from octavo.recover.refinements.refine import FAILED, REFINEMENTS, follow, refine

__all__ = ["FAILED", "REFINEMENTS", "follow", "refine"]
