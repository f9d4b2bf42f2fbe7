"""What a rung of the ladder is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from octavo.quantizer.state import State
from octavo.recover.layers.walk import walkable


@dataclass(frozen=True)
class Outcome:
    """What a rung made of a state.

    Attributes:
        state: the new state; the old one itself where there was nothing to do.
        note: what was done, or why nothing, as one short sentence without a full stop.
        details: further figures for the result, in plain types (the Pareto curve of `mix`, say).
    """

    state: State
    note: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rung:
    """A named way to win accuracy back.

    Attributes:
        name: as `--rungs` takes it.
        title: what it does, in a few words.
        apply: makes a new state of one; it sees calibration data only.
        seconds: about how long `apply` will take on a state, told before it starts; None for moments.
        unasked: seconds beyond which it is not begun unless training is allowed; None where it needs no leave.
        why: what it is needed for, in words that follow "for"; told before it starts.
        dear: whether the result is slower or larger, so that no more than the budget itself asks for it.
    """

    name: str
    title: str
    apply: Callable[[State], Outcome]
    seconds: Callable[[State], float] | None = None
    unasked: float | None = None
    why: Callable[[State], str] | None = None
    dear: bool = False


def walking(apply: Callable[[State], Outcome]) -> Callable[[State], Outcome]:
    """For a rung that goes through the model layer by layer: what has graphs inside its graph is left as it is."""

    @wraps(apply)
    def run(state: State) -> Outcome:
        if walkable(state.model):
            return apply(state)
        return Outcome(state, "the model runs graphs of its own (If, Loop, Scan): layers cannot be visited in turn")

    return run
