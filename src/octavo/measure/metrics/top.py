"""Top-k accuracy of classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data import Arrays
from octavo.errors import DataError
from octavo.measure.metrics.metric import Doubles, Metric, PerSample, labels, only_output
from octavo.measure.metrics.nature import without_unit_axes

Array = NDArray[Any]


def top1() -> Metric:
    """Top-1 accuracy in points.

    With labels of 0 and 1 and one score each, the share of scores on the right side of 0.5 where the float model's lie
    between 0 and 1, else of 0; with one label for each position, the share of right positions.
    """
    return Metric("top1", "points", per_sample=_top1(None), of_classes=True, at_threshold=_top1)


def top5() -> Metric:
    """Top-5 accuracy in points."""
    return Metric("top5", "points", per_sample=lambda out, ref, _: _hits(out, ref, 5), of_classes=True)


def threshold(scores: Array) -> float:
    """The score above which class 1 is meant: 0.5 for probabilities, 0 for other scores."""
    return 0.5 if scores.size and scores.min() >= 0 and scores.max() <= 1 else 0.0


def fits_labels(scores: Array, expected: Array, highest: int = 0) -> bool:
    """Whether integer labels can be those of an output: of its classes, or of the two sides of its scores.

    Args:
        scores: the output for some samples, one row each.
        expected: their labels.
        highest: the highest label of all samples.
    """
    if expected.dtype.kind not in "iu" or len(scores) != len(expected):
        return False
    return _are_classes(scores, expected, highest) or (highest < 2 and are_sides(scores, expected))


def are_sides(scores: Array, expected: Array) -> bool:
    """Whether there is one label of 0 or 1 for each score."""
    same = without_unit_axes(scores).shape == without_unit_axes(expected).shape
    return same and expected.dtype.kind in "iu" and expected.min(initial=0) >= 0 and expected.max(initial=0) <= 1


def _are_classes(scores: Array, expected: Array, highest: int) -> bool:
    """Whether there is one class for each sample, or for each position."""
    found, wanted = without_unit_axes(scores), without_unit_axes(expected)
    axis = _class_axis(found, wanted)
    return axis is not None and expected.min(initial=0) >= 0 and expected.max(initial=highest) < found.shape[axis]


def _class_axis(found: Array, wanted: Array) -> int | None:
    axes = (axis for axis in (1, found.ndim - 1) if 0 < axis < found.ndim and found.shape[axis] > 1)
    return next((axis for axis in axes if found.shape[:axis] + found.shape[axis + 1 :] == wanted.shape), None)


def _top1(limit: float | None) -> PerSample:
    """The share of right classes of each sample; `limit` is the threshold of single scores, None to see it."""

    def right(outputs: Arrays, reference: Arrays, floats: Arrays) -> Doubles:
        scores, expected = only_output(outputs), labels(reference, "top1")
        classic = scores.ndim == 2 and scores.shape[1] > 1 and expected.size == len(scores)
        if classic or not fits_labels(scores, expected):
            return _hits(outputs, reference, 1)
        found, wanted = without_unit_axes(scores), without_unit_axes(expected)
        if are_sides(scores, expected):
            above = found > (threshold(only_output(floats) if floats else scores) if limit is None else limit)
            same = above == (wanted == 1)
        else:
            same = found.argmax(_class_axis(found, wanted)) == wanted
        return np.asarray(100.0 * same.reshape(len(same), -1).mean(1, dtype=np.float64))

    return right


def _hits(outputs: Arrays, reference: Arrays, k: int) -> Doubles:
    scores, expected = only_output(outputs), labels(reference, f"top{k}").reshape(-1)
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise DataError(
            f"metric top{k} needs an output of one score per class, but output '{next(iter(outputs))}' has shape "
            f"{list(scores.shape)}; choose another `metric`"
        )
    if expected.dtype.kind not in "iu" or len(expected) != len(scores):
        raise DataError(f"metric top{k} needs one integer label per sample; fix the array 'labels'")
    if expected.min(initial=0) < 0 or expected.max(initial=0) >= scores.shape[1]:
        raise DataError(
            f"a label is not among the {scores.shape[1]} classes of output '{next(iter(outputs))}'; fix 'labels'"
        )
    # Ties, common on a grid of 256 levels, go to the first class for every k, as in argmax.
    best = scores.argmax(1)[:, None] if k == 1 else np.argsort(-scores.astype(np.float64), 1, kind="stable")[:, :k]
    return np.where((best == expected[:, None]).any(axis=1), 100.0, 0.0)
