"""The accuracy ladder: one file a rung."""

from __future__ import annotations

from octavo.quantizer.state import Settings, State, begin
from octavo.recover.checkpoint import Memory
from octavo.recover.ladder import PLAIN, Climb, climb
from octavo.recover.layers.sensitivity import RAISED
from octavo.recover.rung import Outcome, Rung
from octavo.recover.rungs.registry import rung_names, rungs_named
from octavo.recover.step import Step
from octavo.recover.verdict import Verdict, judge

__all__ = [
    "PLAIN",
    "RAISED",
    "Climb",
    "Memory",
    "Outcome",
    "Rung",
    "Settings",
    "State",
    "Step",
    "Verdict",
    "begin",
    "climb",
    "judge",
    "rung_names",
    "rungs_named",
]
