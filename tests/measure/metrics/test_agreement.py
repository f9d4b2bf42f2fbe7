"""Agreement with the float model, for data without labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from sklearn.metrics.pairwise import cosine_similarity

from octavo.measure.metrics import metric


def test_for_class_scores_it_is_the_share_of_equal_top1() -> None:
    rng = np.random.default_rng(0)
    floats, quantized = rng.normal(size=(2, 300, 5)).astype(np.float32)
    agree = metric("agreement").per_sample
    assert agree is not None
    values = agree({"y": quantized}, {"labels": np.zeros(300)}, {"y": floats})
    assert set(values) == {0.0, 100.0}
    assert values.mean() == pytest.approx(100 * accuracy_score(floats.argmax(1), quantized.argmax(1)))


def test_for_maps_it_is_a_hundred_times_the_cosine_similarity() -> None:
    rng = np.random.default_rng(0)
    floats, quantized = rng.normal(size=(2, 7, 3, 4, 4))
    agree = metric("agreement").per_sample
    assert agree is not None
    expected = np.diag(cosine_similarity(quantized.reshape(7, -1), floats.reshape(7, -1)))
    np.testing.assert_allclose(agree({"y": quantized}, {}, {"y": floats}), 100 * expected)


def test_for_scalars_it_decreases_by_the_relative_error() -> None:
    agree = metric("agreement").per_sample
    assert agree is not None
    quantized, floats = np.array([[1.01], [-0.5], [3.0], [0.0], [5.0]]), np.array([[1.0], [-1.0], [-3.0], [0.0], [0.0]])
    np.testing.assert_allclose(agree({"y": quantized}, {}, {"y": floats}), [99.0, 50.0, 0.0, 100.0, 0.0])
