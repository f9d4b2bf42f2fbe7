"""Top-k accuracy of classifiers."""

from __future__ import annotations

import numpy as np

from octavo.data import Arrays
from octavo.errors import DataError
from octavo.measure.metrics.metric import Doubles, Metric, labels, only_output


def top1() -> Metric:
    """Top-1 accuracy in points."""
    return Metric("top1", "points", per_sample=lambda out, ref, _: _hits(out, ref, 1))


def top5() -> Metric:
    """Top-5 accuracy in points."""
    return Metric("top5", "points", per_sample=lambda out, ref, _: _hits(out, ref, 5))


def _hits(outputs: Arrays, reference: Arrays, k: int) -> Doubles:
    scores, expected = only_output(outputs), labels(reference, f"top{k}").reshape(-1)
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise DataError(
            f"metric top{k} needs an output of one score per class, but the first output has shape "
            f"{list(scores.shape)}; choose another `metric`"
        )
    if expected.dtype.kind not in "iu" or len(expected) != len(scores):
        raise DataError(f"metric top{k} needs one integer label per sample; fix the array 'labels'")
    if expected.min(initial=0) < 0 or expected.max(initial=0) >= scores.shape[1]:
        raise DataError(f"a label is not among the {scores.shape[1]} classes of the first output; fix 'labels'")
    # Ties, common on a grid of 256 levels, go to the first class for every k, as in argmax.
    best = scores.argmax(1)[:, None] if k == 1 else np.argsort(-scores.astype(np.float64), 1, kind="stable")[:, :k]
    return np.where((best == expected[:, None]).any(axis=1), 100.0, 0.0)
