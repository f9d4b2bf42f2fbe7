"""Decisions of two models: best classes, sides of a threshold, and outputs without decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from octavo.measure.decisions import Decisions

Array = NDArray[Any]


def agreement(floats: Array, rounded: Array, labels: Array | None = None, batches: int = 1) -> float | None:
    decisions = Decisions()
    for rows in np.array_split(np.arange(len(floats)), batches):
        reference = {} if labels is None else {"labels": labels[rows]}
        decisions.add({"y": floats[rows]}, {"y": rounded[rows]}, reference)
    return decisions.agreement()


@pytest.mark.parametrize("batches", [1, 3])
def test_the_best_class_is_the_decision(batches: int) -> None:
    scores = np.eye(4)[[0, 1, 2, 3, 0, 1, 2, 3]]
    other = scores.copy()
    other[:2] = scores[1::-1]
    assert agreement(scores, other, np.arange(8) % 4, batches) == 0.75


def test_a_class_for_each_place_is_a_decision_each() -> None:
    scores = np.random.default_rng(0).normal(size=(3, 5, 2, 2))
    other = scores.copy()
    other[0, :, 0, 0] *= -1
    assert agreement(scores, other, np.zeros((3, 2, 2), int)) == pytest.approx(11 / 12)


def test_a_single_score_is_compared_with_one_half_or_zero() -> None:
    labels = np.array([0, 1, 0, 1])
    assert agreement(np.array([0.1, 0.9, 0.2, 0.8]), np.array([0.1, 0.4, 0.2, 0.8]), labels) == 0.75
    assert agreement(np.array([-3.0, 0.4, -1.0, 2.0]), np.array([-3.0, 0.2, -1.0, 2.0]), labels) == 1.0


def test_integers_are_decisions_without_labels() -> None:
    assert agreement(np.array([[1], [2], [3], [4]]), np.array([[1], [2], [3], [5]])) == 0.75


def test_embeddings_regressions_and_outputs_of_another_shape_hold_no_decisions() -> None:
    x = np.random.default_rng(0).normal(size=(4, 8))
    assert agreement(x, x) is None
    assert agreement(x, x, np.array([0.5, 1.5, 2.5, 3.5])) is None
    assert agreement(x, x[:, :4], np.arange(4)) is None
    assert agreement(x[:, 0], x[:, 0], np.arange(4)) is None


def test_the_output_that_agrees_least_counts() -> None:
    decisions = Decisions()
    decisions.add({"a": np.arange(4), "b": np.arange(4)}, {"a": np.arange(4), "b": np.zeros(4, int)}, {})
    assert decisions.agreement() == 0.25
