"""The interface of a rung of the accuracy ladder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from octavo.quantizer import State
from octavo.recover.context import NO_CONTEXT, LadderContext
from octavo.recover.layers.walk import walkable


@dataclass(frozen=True)
class Outcome:
    """The result of applying a rung to a state.

    Attributes:
        state: the new state; the very state that was passed in where the rung changed nothing.
        note: what was done, or why nothing, as one short sentence without a full stop.
        details: further figures for the result, in plain types, for example the Pareto curve of `mix`.
    """

    state: State
    note: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rung:
    """A named method to recover accuracy.

    Attributes:
        name: the name that `--rungs` takes.
        title: what it does, in a few words.
        function: makes a new state from a state; it reads calibration samples only, except through the context.
        visits_layers: whether it runs the model layer by layer; models with subgraphs are then left as they are.
        estimate_seconds: estimates how long `apply` takes on a state; announced before it starts. None for
            a rung of a few seconds.
        training_limit_seconds: a rung that is estimated to take longer needs `allow_training`; None without limit.
        reason: which layers need the rung, in words that follow "for"; announced before it starts.
        increases_cost: whether the result is slower or larger, so that it is tried only while the whole interval of
            the drop exceeds the budget.
    """

    name: str
    title: str
    function: Callable[[State, LadderContext], Outcome]
    visits_layers: bool = False
    estimate_seconds: Callable[[State], float] | None = None
    training_limit_seconds: float | None = None
    reason: Callable[[State], str] | None = None
    increases_cost: bool = False

    def apply(self, state: State, context: LadderContext = NO_CONTEXT) -> Outcome:
        """Apply the rung to a state.

        Raises:
            OptionError: the rung needs something that the context does not have.
        """
        if self.visits_layers and not walkable(state.model):
            note = "the model runs graphs of its own (If, Loop, Scan): layers cannot be visited in turn"
            return Outcome(state, note)
        return self.function(state, context)


def without_context(function: Callable[[State], Outcome]) -> Callable[[State, LadderContext], Outcome]:
    """Adapt a function of the state alone to `Rung.function`."""

    def apply(state: State, context: LadderContext) -> Outcome:
        return function(state)

    return apply
