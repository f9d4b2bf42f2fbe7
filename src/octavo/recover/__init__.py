"""The accuracy ladder: one file a rung."""

from __future__ import annotations

from octavo.quantizer.state import Settings, State, begin
from octavo.recover.ladder import PLAIN, Climb, climb
from octavo.recover.memory import Memory
from octavo.recover.registry import rung_names, rungs_named
from octavo.recover.rung import Outcome, Rung
from octavo.recover.sensitivity import RAISED
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
