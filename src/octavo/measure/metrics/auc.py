"""Area under the receiver operating characteristic."""

from __future__ import annotations

import numpy as np

from octavo.data import Arrays
from octavo.errors import DataError
from octavo.measure.metrics.metric import Metric, labels, only_output


def auc() -> Metric:
    """Area under the ROC curve of a binary classifier, in points.

    The score is the first output with one or two numbers per sample, or its last column.
    """
    return Metric("auc", "points", score=_auc)


def _auc(outputs: Arrays, reference: Arrays, floats: Arrays) -> float:
    expected = labels(reference, "auc").reshape(-1)
    few = (array for array in outputs.values() if array.size <= 2 * len(expected))
    scores = next(few, only_output(outputs))
    scores = scores.reshape(len(scores), -1)
    if scores.shape[1] > 2 or len(expected) != len(scores):
        raise DataError("metric auc needs one score and one label per sample; choose another `metric`")
    positive = expected == expected.max()
    count = int(positive.sum())
    negatives = len(expected) - count
    if not set(np.unique(expected).tolist()) <= {0, 1} or negatives == 0 or count == 0:
        raise DataError("metric auc needs labels of both classes, 0 and 1; fix the array 'labels'")
    # Mann-Whitney statistic with mean ranks for ties.
    _, inverse, sizes = np.unique(scores[:, -1], return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2.0)[inverse]
    return float((ranks[positive].sum() - count * (count + 1) / 2.0) / (count * negatives) * 100.0)
