"""The accuracy ladder: one file a rung."""

from __future__ import annotations

from octavo.recover.rung import Outcome, Rung
from octavo.recover.state import State, Work, begin

__all__ = ["Outcome", "Rung", "State", "Work", "begin"]
