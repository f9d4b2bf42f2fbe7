"""The interface of a metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data import Arrays
from octavo.errors import DataError

Doubles = NDArray[np.float64]


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
    """

    name: str
    unit: str
    per_sample: Callable[[Arrays, Arrays, Arrays], Doubles] | None = None
    score: Callable[[Arrays, Arrays, Arrays], float] | None = None
    lower_is_better: bool = False


def only_output(outputs: Arrays) -> NDArray[Any]:
    """The first output, for metrics of a single output."""
    return next(iter(outputs.values()))


def labels(reference: Arrays, metric: str) -> NDArray[Any]:
    """The array named labels.

    Raises:
        DataError: there is none.
    """
    if "labels" not in reference:
        raise DataError(f"metric {metric} needs an array named 'labels' in the evaluation data; add it")
    return reference["labels"]
