"""Plain quantization: plan, calibrate, ranges, parameters, constants, proof."""

from __future__ import annotations

from octavo.quantizer.decisions import Decisions
from octavo.quantizer.derive import begin, derive, make_plan
from octavo.quantizer.settings import Planner, Settings
from octavo.quantizer.state import Draft, State
from octavo.quantizer.unseen import unseen_warnings

__all__ = ["Decisions", "Draft", "Planner", "Settings", "State", "begin", "derive", "make_plan", "unseen_warnings"]
