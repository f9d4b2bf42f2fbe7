"""The context of a rung besides the state: the budget, the selection set and permissions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from octavo.measure import MetricResult


@dataclass(frozen=True)
class LadderContext:
    """The settings of a climb.

    Attributes:
        measure: measures the metric of a quantized model on the selection set; None where rungs are applied
            without measuring. Of the rungs, only `mix` calls it.
        budget: how much the metric may drop, in its unit; None without a budget.
        allow_training: allow a rung to train for longer than its `training_limit_seconds`.
        cannot_judge: whether the held-out samples are too few to judge the budget, so that all rungs are tried and
            chosen by agreement with the float model and SQNR; those that increase the cost only above the budget.
        training_checkpoint: file that keeps the progress of a training run; None to keep none.
    """

    measure: Callable[[ir.Model], MetricResult] | None = None
    budget: float | None = None
    allow_training: bool = False
    training_checkpoint: Path | None = None
    cannot_judge: bool = False


NO_CONTEXT = LadderContext()
