"""The interface of a metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data import Arrays
from octavo.errors import DataError

Doubles = NDArray[np.float64]
LABELS = "labels"
PerSample = Callable[[Arrays, Arrays, Arrays], Doubles]
Score = Callable[[Arrays, Arrays, Arrays], float]


@dataclass(frozen=True)
class Metric:
    """A named measure of the quality of a model's outputs.

    Exactly one of the two functions is set: `per_sample` for metrics that are a mean over samples, else `score`. Both
    take the model's outputs, the reference arrays and the float model's outputs, each {name: array} with one row per
    sample.

    Attributes:
        name: name in reports.
        unit: "points" for percentages, "dB", or empty.
        per_sample: one number per sample, float64.
        score: one number for all samples.
        lower_is_better: whether smaller values are better.
        output: name of the output that it reads; empty for the first, or the one that fits.
        figure: what is compared, in words; empty where the name says it.
        why: why that figure fits the output, in words; empty where the user chose it.
        fits_outputs: whether it is agreement with the float model, by the figure that fits each output.
        of_classes: whether it reads labels as classes, so that they tell its output among several.
        at_threshold: makes `per_sample` for an output of one score where labels are 0 and 1, from the score above
            which a sample is of class 1; None where the metric has no such form.
    """

    name: str
    unit: str
    per_sample: PerSample | None = None
    score: Score | None = None
    lower_is_better: bool = False
    output: str = ""
    figure: str = ""
    why: str = ""
    fits_outputs: bool = False
    of_classes: bool = False
    at_threshold: Callable[[float], PerSample] | None = None

    def of(self, output: str) -> Metric:
        """The metric of one of several outputs."""
        per_sample, score = self.per_sample, self.score

        def samples(outputs: Arrays, reference: Arrays, floats: Arrays) -> Doubles:
            assert per_sample is not None
            return per_sample(_first(outputs, output), reference, _first(floats, output))

        def whole(outputs: Arrays, reference: Arrays, floats: Arrays) -> float:
            assert score is not None
            return score(_first(outputs, output), reference, _first(floats, output))

        return replace(
            self,
            output=output,
            per_sample=None if per_sample is None else samples,
            score=None if score is None else whole,
        )


def _first(outputs: Arrays, name: str) -> Arrays:
    """The outputs with one of them first.

    Raises:
        DataError: there is no such output.
    """
    if name not in outputs:
        raise DataError(f"the model has no output '{name}'; it has {', '.join(outputs)}")
    return {name: outputs[name], **outputs}


def only_output(outputs: Arrays) -> NDArray[Any]:
    """The first output, for metrics of a single output."""
    return next(iter(outputs.values()))


def labels(reference: Arrays, metric: str) -> NDArray[Any]:
    """The array named labels.

    Raises:
        DataError: there is none.
    """
    if LABELS not in reference:
        raise DataError(f"metric {metric} needs an array named 'labels' in the evaluation data; add it")
    return reference[LABELS]
