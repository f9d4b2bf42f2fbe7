"""Area under the ROC curve compared with scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from octavo.errors import DataError
from octavo.measure.metrics import metric

Array = NDArray[Any]


def auc(scores: Array, labels: Array) -> float:
    score = metric("auc").score
    assert score is not None
    return score({"y": scores}, {"labels": labels}, {})


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40))
def test_equals_scikit_learn_ties_included(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([row[0] for row in rows], np.float32) / 7
    labels = np.array([row[1] for row in rows], np.int64)
    assume(0 < labels.sum() < len(labels))
    assert auc(scores, labels) == pytest.approx(100 * roc_auc_score(labels, scores), abs=1e-9)


def test_the_last_of_two_columns_is_the_score() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 200), rng.normal(size=(200, 2)).astype(np.float32)
    assert auc(scores, labels) == pytest.approx(100 * roc_auc_score(labels, scores[:, 1]))
    assert auc(scores[:, 1:], labels[:, None]) == auc(scores, labels)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.arange(4.0), np.zeros(4, int), "both classes"),
        (np.arange(4.0), np.ones(4, int), "both classes"),
        (np.arange(4.0), np.array([0, 1, 2, 1]), "0 and 1"),
        (np.arange(4.0), np.array([-1, 1, 1, -1]), "0 and 1"),
        (np.arange(4.0), np.array([0, 1]), "one label per sample"),
        (np.zeros((4, 3)), np.array([0, 1, 0, 1]), "one score"),
    ],
)
def test_data_without_an_roc_curve_are_refused(scores: Array, labels: Array, message: str) -> None:
    with pytest.raises(DataError, match=message):
        auc(scores, labels)
