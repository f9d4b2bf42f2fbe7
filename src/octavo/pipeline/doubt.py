"""Whether the held-out samples can judge a budget at all, asked before the ladder is climbed."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.engines import Engine
from octavo.measure import Evaluation, evaluate
from octavo.measure.bounds import samples_for, share_bound
from octavo.pipeline.options import Options
from octavo.system.digits import decimals, fixed
from octavo.system.numbers import rounded_up

# Outputs of the best quantized model that can be hoped for differ by this share of themselves: 80 dB.
_NUDGE = 1e-4


def budget_doubt(
    options: Options, selection: Evaluation, float_engine: Engine, budget: float, judging_share: float
) -> str | None:
    """Why the judging set cannot judge the budget, in one sentence; None where it can.

    The float model is compared, on the selection set, with itself nudged by a hair. The interval of such a model,
    none of whose decisions differ, is the narrowest that samples can show.

    Args:
        options: preprocessing, batch size and seed.
        selection: the selection set and the metric.
        float_engine: runs the float model.
        budget: how much the metric may drop, in its unit.
        judging_share: the judging set's share of the held-out samples.
    """
    best = evaluate(
        selection,
        float_engine,
        _Nudged(float_engine),
        preprocess=options.preprocess,
        batch_size=options.batch_size,
        seed=options.seed,
        progress=options.progress,
    )
    if best.ci95 is None:
        return None
    whole = (best.ci95[1] - min(best.drop, 0.0)) / share_bound(best.groups)
    judging = best.groups * judging_share / (1 - judging_share)
    reach = whole * share_bound(judging)
    if reach <= budget:
        return None
    unit = f" {best.unit}" if best.unit else ""
    places = decimals((reach,), best.unit)
    count = inf if budget == 0.0 else samples_for(budget / whole) / judging_share
    hint = "no number of samples can" if count == inf else f"about {rounded_up(ceil(count))} held-out samples can"
    return (
        f"the held-out samples cannot judge a budget of {budget:g}{unit}: about {round(judging)} judge, and if none of "
        f"them differed {best.name} could still drop by {fixed(reach, places)}{unit}; {hint}; rungs are chosen by "
        "agreement with the float model and SQNR"
    )


class _Nudged:
    """An engine whose floating-point outputs differ a little from those of another."""

    def __init__(self, engine: Engine) -> None:
        self.inputs, self.outputs, self._engine = engine.inputs, engine.outputs, engine

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs, alternately larger and smaller."""
        return {name: _nudged(array) for name, array in self._engine.run(feeds).items()}


def _nudged(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind != "f":
        return array
    signs = np.where(np.arange(array.size).reshape(array.shape) % 2, 1.0, -1.0)
    return np.asarray(array * (1 + _NUDGE * signs), array.dtype)
