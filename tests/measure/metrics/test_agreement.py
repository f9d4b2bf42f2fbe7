"""Agreement with the float model, for data without labels: the figure that fits the output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score
from sklearn.metrics.pairwise import cosine_similarity
from tests.helpers.outputs import class_scores, detections

from octavo.measure.metrics import metric

Array = NDArray[Any]


def agreement(ours: Array, floats: Array) -> Array:
    agree = metric("agreement").per_sample
    assert agree is not None
    return agree({"y": ours}, {"labels": np.zeros(len(ours))}, {"y": floats})


def relative(errors: Array, sizes: Array) -> Array:
    return np.asarray(np.maximum(100 * (1 - errors / sizes.mean()), 0))


def test_for_class_scores_it_is_the_share_of_equal_top1() -> None:
    floats = class_scores(300, 20)
    ours = floats + np.random.default_rng(1).normal(size=floats.shape)
    found = agreement(ours, floats)
    assert set(found) == {0.0, 100.0}
    assert found.mean() == pytest.approx(100 * accuracy_score(floats.argmax(1), ours.argmax(1)))


def test_for_embeddings_it_is_a_hundred_times_the_cosine_similarity() -> None:
    floats, noise = np.random.default_rng(0).normal(size=(2, 40, 64))
    expected = np.diag(cosine_similarity(floats + noise, floats))
    np.testing.assert_allclose(agreement(floats + noise, floats), 100 * expected)


def test_for_maps_it_is_the_relative_error_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    floats = rng.normal(size=(9, 3, 8, 8)) * rng.uniform(0.1, 2, (9, 1, 1, 1))
    ours = floats + 0.1 * rng.normal(size=floats.shape)
    errors, sizes = (np.linalg.norm(each.reshape(9, -1), axis=1) for each in (ours - floats, floats))
    np.testing.assert_allclose(agreement(ours, floats), relative(errors, sizes))
    assert (agreement(floats, floats) == 100).all()


def test_for_numbers_it_is_the_relative_error_of_all_of_them() -> None:
    floats, ours = np.array([[1.0], [-1.0], [-3.0], [0.0], [5.0]]), np.array([[1.1], [-0.5], [-3.0], [0.0], [5.0]])
    np.testing.assert_allclose(agreement(ours, floats), relative(np.abs(ours - floats)[:, 0], np.abs(floats)))


def test_for_probabilities_it_is_the_absolute_error_relative_to_their_sum() -> None:
    floats = np.random.default_rng(0).uniform(size=(20, 1, 7, 7)) ** 4
    ours = floats * 0.75
    expected = relative(0.25 * floats.sum((1, 2, 3)), floats.sum((1, 2, 3)))
    np.testing.assert_allclose(agreement(ours, floats), expected)
    assert agreement(0 * floats, floats).mean() < 20


def test_scores_that_are_all_lost_beside_boxes_are_a_loss() -> None:
    """One cosine over pixels and scores is 0.99999."""
    floats = detections(64)
    lost = floats * (np.arange(10) < 4)[:, None]
    cosine = np.diag(cosine_similarity(lost.reshape(64, -1), floats.reshape(64, -1)))
    assert cosine.mean() > 0.99999
    assert agreement(lost, floats).mean() < 10
    # The same where the columns are last, and where there is one box per sample.
    assert agreement(lost.transpose(0, 2, 1), floats.transpose(0, 2, 1)).mean() < 10
    assert agreement(lost[..., 0], floats[..., 0]).mean() < 30


def test_whole_numbers_are_equal_or_not() -> None:
    floats, ours = np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 5]])
    assert agreement(ours, floats).tolist() == [100, 50]


def test_what_the_float_model_does_not_know_is_no_error() -> None:
    floats = np.random.default_rng(0).normal(size=(9, 3, 4)).astype(np.float32)
    floats[0, 0, 0] = 0.5
    holed, ours = floats.copy(), floats.copy()
    holed[0, 0, 0], ours[0, 0, 0] = np.nan, 7
    assert agreement(ours, holed).tolist() == [100] * 9
    assert np.isnan(agreement(np.where(floats > 0, np.nan, floats), floats)).all()
