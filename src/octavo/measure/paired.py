"""The paired difference of a metric between two models, on parts of the samples and with changed outputs."""

from __future__ import annotations

from math import nan

import numpy as np
from numpy.typing import NDArray

from octavo.data import Arrays
from octavo.errors import DataError
from octavo.measure.interval import Interval, of_means, of_proportions
from octavo.measure.metrics import Metric
from octavo.measure.resample import Groups

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

# A percentage of a sample is between 0 and this.
_POINTS = 100.0


class ScoreDrop:
    """The drop of a score, as the interval needs it (`octavo.measure.interval.PairedScore`).

    Args:
        metric: a metric with a `score`.
        outputs: the outputs of the float and of the quantized model, {name: array}, one row per sample.
        reference: the reference arrays, one row per sample.
    """

    def __init__(self, metric: Metric, outputs: tuple[Arrays, Arrays], reference: Arrays) -> None:
        self._metric, self._outputs, self._reference = metric, outputs, reference

    def __call__(self, rows: Ints | None, groups: Ints | None) -> float:
        """The drop on these rows, all with None, whose groups are numbered anew by `groups`."""
        floats, rounded, reference = (_rows(arrays, rows) for arrays in (*self._outputs, self._reference))
        if groups is not None and "groups" in reference:
            reference["groups"] = groups
        return self._drop(floats, rounded, reference)

    def replaced(self, rows: Ints, by: Ints | None) -> float:
        """The drop if the quantized model gave for `rows` its outputs of the rows `by`; None: the float model's."""
        floats, rounded = self._outputs
        changed = {name: array.copy() for name, array in rounded.items()}
        for name, array in changed.items():
            array[rows] = floats[name][rows] if by is None else rounded[name][by]
        return self._drop(floats, changed, self._reference)

    def _drop(self, floats: Arrays, rounded: Arrays, reference: Arrays) -> float:
        assert self._metric.score is not None
        try:
            first = self._metric.score(floats, reference, floats)
            second = self._metric.score(rounded, reference, floats)
        except DataError:  # undefined on these samples, for example without one of the classes
            return nan
        return second - first if self._metric.lower_is_better else first - second


def interval_of_means(metric: Metric, first: Doubles, second: Doubles, scale: float, groups: Groups) -> Interval:
    """The interval of the drop of a metric that is a mean over samples.

    Args:
        metric: the metric.
        first, second: its values of each sample, of the float and of the quantized model.
        scale: how far a value moves where a sample gets the outputs of another (`exchange_effect`).
        groups: groups of samples that count as one.
    """
    worse = second - first if metric.lower_is_better else first - second
    two_valued = metric.unit == "points" and bool(np.isin(np.concatenate([first, second]), (0.0, _POINTS)).all())
    if two_valued and groups.kind == "samples":
        return of_proportions(int((worse > 0).sum()), int((worse < 0).sum()), groups.count, _POINTS)
    return of_means(worse, groups, max(scale, _POINTS) if metric.unit == "points" else scale)


def exchange_effect(metric: Metric, rounded: Arrays, reference: Arrays, floats: Arrays) -> float:
    """The largest change of a sample's value where each gets the quantized outputs of another of its batch."""
    assert metric.per_sample is not None
    if min((len(array) for array in rounded.values()), default=0) < 2:
        return 0.0
    exchanged = {name: np.roll(array, len(array) // 2, axis=0) for name, array in rounded.items()}
    own, others = (metric.per_sample(outputs, reference, floats) for outputs in (rounded, exchanged))
    return float(np.nan_to_num(np.abs(others - own), nan=0.0, posinf=0.0).max(initial=0.0))


def _rows(arrays: Arrays, rows: Ints | None) -> Arrays:
    return {name: array if rows is None else array[rows] for name, array in arrays.items()}
