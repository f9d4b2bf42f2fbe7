"""Top-k accuracy compared with scikit-learn, and with hand-computed values for ties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, top_k_accuracy_score

from octavo.errors import DataError
from octavo.measure.metrics import metric

Array = NDArray[Any]


def hits(name: str, scores: Array, labels: Array) -> Array:
    per_sample = metric(name).per_sample
    assert per_sample is not None
    return per_sample({"y": scores}, {"labels": labels}, {})


@pytest.mark.parametrize("classes", [2, 6, 40])
def test_equals_scikit_learn(classes: int) -> None:
    rng = np.random.default_rng(classes)
    scores, labels = rng.normal(size=(500, classes)).astype(np.float32), rng.integers(0, classes, 500)
    assert hits("top1", scores, labels).mean() == pytest.approx(100 * accuracy_score(labels, scores.argmax(1)))
    if classes > 2:
        expected = top_k_accuracy_score(labels, scores, k=5, labels=range(classes))
        assert hits("top5", scores, labels).mean() == pytest.approx(100 * expected)


@given(
    hnp.arrays(st.sampled_from([np.float32, np.uint8, np.int8]), (3, 9), elements=st.integers(0, 3), fill=st.nothing()),
    st.lists(st.integers(0, 8), min_size=3, max_size=3),
    st.sampled_from([1, 5]),
)
def test_ties_go_to_the_first_class(scores: Array, labels: list[int], k: int) -> None:
    ranked = [sorted(range(9), key=lambda c, row=row: (-int(row[c]), c))[:k] for row in scores]
    expected = [100.0 if label in best else 0.0 for label, best in zip(labels, ranked, strict=True)]
    assert hits(f"top{k}", scores, np.array(labels)).tolist() == expected


def test_top5_of_at_most_five_classes_is_100_percent() -> None:
    assert (hits("top5", np.zeros((3, 4), np.float32), np.array([0, 1, 3])) == 100).all()


def test_labels_may_be_a_column() -> None:
    assert hits("top1", np.eye(3, dtype=np.float32), np.array([[0], [1], [0]])).tolist() == [100, 100, 0]


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.zeros((2, 6)), np.array([0.0, 1.0]), "integer label"),
        (np.zeros((2, 6)), np.array([0, 1, 2]), "one integer label per sample"),
        (np.zeros((2, 6)), np.array([0, 6]), "not among the 6 classes"),
        (np.zeros((2, 6)), np.array([-1, 0]), "not among the 6 classes"),
        (np.zeros((2, 6, 2)), np.array([0, 1]), r"shape \[2, 6, 2\]"),
        (np.zeros((2, 1)), np.array([0, 2]), r"shape \[2, 1\]"),
    ],
)
def test_invalid_labels_and_outputs_are_refused(k: int, scores: Array, labels: Array, message: str) -> None:
    with pytest.raises(DataError, match=message):
        hits(f"top{k}", scores, labels)


@pytest.mark.parametrize(("floats", "right"), [([0.2, 0.7, 0.4], [100, 0, 100]), ([-3.0, 0.7, 0.4], [100, 0, 0])])
def test_one_score_and_labels_of_two_classes(floats: list[float], right: list[int]) -> None:
    """The threshold is 0.5 where the float model's scores are probabilities, else 0."""
    found = metric("top1").per_sample
    assert found is not None
    scores, labels = np.array(floats, np.float32)[:, None], np.array([0, 0, 0])
    assert found({"y": scores}, {"labels": labels}, {"y": scores}).tolist() == right
    assert found({"y": scores[:, 0]}, {"labels": labels[:, None]}, {"y": scores}).tolist() == right


def test_one_label_for_each_position_or_score() -> None:
    rng = np.random.default_rng(0)
    maps, masks = rng.normal(size=(4, 5, 3, 2)), rng.uniform(size=(4, 1, 6, 6))
    classes, sides = rng.integers(0, 5, (4, 3, 2)), rng.integers(0, 2, (4, 6, 6))
    expected = [100 * accuracy_score(y.ravel(), x.argmax(0).ravel()) for x, y in zip(maps, classes, strict=True)]
    assert hits("top1", maps, classes).tolist() == pytest.approx(expected)
    expected = [100 * accuracy_score(y.ravel(), x.ravel() > 0.5) for x, y in zip(masks, sides, strict=True)]
    assert hits("top1", masks, sides).tolist() == pytest.approx(expected)
