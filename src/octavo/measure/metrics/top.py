"""Top-k accuracy of classifiers."""

from __future__ import annotations

import numpy as np

from octavo.data import Arrays
from octavo.errors import DataError
from octavo.measure.metrics.metric import Doubles, Metric, labels, only_output


def top1() -> Metric:
    """How often the largest output is the label's, in points."""
    return Metric("top1", "points", per_sample=lambda out, ref, _: _hits(out, ref, 1))


def top5() -> Metric:
    """How often the label's output is among the five largest, in points."""
    return Metric("top5", "points", per_sample=lambda out, ref, _: _hits(out, ref, 5))


def _hits(outputs: Arrays, reference: Arrays, k: int) -> Doubles:
    scores, wanted = only_output(outputs), labels(reference, f"top{k}").reshape(-1)
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise DataError(
            f"metric top{k} needs an output of one score a class, but the first output has shape "
            f"{list(scores.shape)}; choose another `metric`"
        )
    if wanted.dtype.kind not in "iu" or len(wanted) != len(scores):
        raise DataError(f"metric top{k} needs one integer label a sample; mend the array 'labels'")
    if wanted.min(initial=0) < 0 or wanted.max(initial=0) >= scores.shape[1]:
        raise DataError(f"a label is not among the {scores.shape[1]} classes of the first output; mend 'labels'")
    # Among equal scores, common on a grid of 256, the first class goes before: argmax's rule for every k.
    best = scores.argmax(1)[:, None] if k == 1 else np.argsort(-scores.astype(np.float64), 1, kind="stable")[:, :k]
    return np.where((best == wanted[:, None]).any(axis=1), 100.0, 0.0)
