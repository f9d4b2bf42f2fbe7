"""How far a model says the same as the float model, where there are no labels."""

from __future__ import annotations

import numpy as np

from octavo.data import Arrays
from octavo.measure.metrics.metric import Doubles, Metric, only_output
from octavo.measure.metrics.regression import cosines


def agreement() -> Metric:
    """Top-1 agreement with the float model in points; of outputs that are not class scores, 100 times the cosine."""
    return Metric("agreement", "points", per_sample=_agree)


def _agree(outputs: Arrays, reference: Arrays, floats: Arrays) -> Doubles:
    ours, theirs = only_output(outputs), only_output(floats)
    if ours.ndim == 2 and ours.shape[1] > 1:
        return np.where(ours.argmax(1) == theirs.argmax(1), 100.0, 0.0)
    return cosines(ours, theirs) * 100.0
