"""Nearest neighbours of embeddings, compared with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from octavo.measure import neighbours
from octavo.measure.neighbours import Neighbours


def nearest(rows: np.ndarray) -> np.ndarray:
    found = NearestNeighbors(n_neighbors=2, metric="cosine").fit(rows)
    return np.asarray(found.kneighbors(rows, return_distance=False)[:, 1])


def test_the_share_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    floats = rng.normal(size=(90, 16)).astype(np.float32)
    ours = floats + 0.3 * rng.normal(size=floats.shape).astype(np.float32)
    found = Neighbours()
    for start in range(0, 90, 40):
        found.add(floats[start : start + 40], ours[start : start + 40])
    assert found.share() == pytest.approx((nearest(floats) == nearest(ours)).mean())


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_MOST", 10)
    rows = np.random.default_rng(0).normal(size=(40, 4))
    found, first = Neighbours(), Neighbours()
    for each in (found, first):
        each.add(rows[:10], rows[:10] + 0.5)
    found.add(rows[10:], -rows[10:])
    assert found.share() == first.share()


def test_too_few_embeddings_or_several_lengths_have_no_share() -> None:
    found = Neighbours()
    found.add(np.ones((2, 4)), np.ones((2, 4)))
    assert found.share() is None
    found.add(np.ones((2, 5)), np.ones((2, 5)))
    assert found.share() is None
