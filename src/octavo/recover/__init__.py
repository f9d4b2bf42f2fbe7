"""The refinements of plain quantization; the accuracy ladder: the rungs, one a file, the climb and the verdict."""

from __future__ import annotations

from octavo.recover.checkpoint import LadderCheckpoint
from octavo.recover.context import LadderContext
from octavo.recover.ladder import PLAIN, Climb, climb
from octavo.recover.layers.raising import RAISED
from octavo.recover.refinements import FAILED, REFINEMENTS, follow, refine
from octavo.recover.rung import Outcome, Rung, without_context
from octavo.recover.rungs.registry import rung_names, rungs_named
from octavo.recover.step import Step
from octavo.recover.verdict import Verdict, judge

__all__ = [
    "FAILED",
    "PLAIN",
    "RAISED",
    "REFINEMENTS",
    "Climb",
    "LadderCheckpoint",
    "LadderContext",
    "Outcome",
    "Rung",
    "Step",
    "Verdict",
    "climb",
    "follow",
    "judge",
    "refine",
    "rung_names",
    "rungs_named",
    "without_context",
]
