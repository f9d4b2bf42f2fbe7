"""What an output is, by the operator that writes it or by its values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.helpers.outputs import class_scores, detections

from octavo.measure.metrics.nature import natures

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=(64, 128)).astype(np.float32)


def softmax(x: NDArray[np.float32], axis: int = 1) -> NDArray[np.float32]:
    shares = np.exp(x - x.max(axis, keepdims=True))
    return shares / shares.sum(axis, keepdims=True)


def unit(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("values", "producer", "kind", "axis"),
    [
        (class_scores(64, 10), "Gemm", "classes", 1),
        (class_scores(64, 1000), "", "classes", 1),
        (class_scores(64, 10)[:, :, None, None], "Conv", "classes", 1),
        (softmax(NORMAL), "", "classes", 1),
        (np.log(softmax(NORMAL)), "", "classes", 1),
        (softmax(NORMAL), "Softmax", "classes", 1),
        (softmax(RNG.normal(size=(4, 5, 6, 7)), 1), "", "classes", 1),
        (softmax(RNG.normal(size=(4, 20, 8)), 2), "", "classes", 2),
        (class_scores(64 * 9, 12).reshape(64, 9, 12), "", "classes", 2),
        (class_scores(64 * 9, 12).reshape(64, 3, 3, 12).transpose(0, 3, 1, 2), "", "classes", 1),
        (1 / (1 + np.exp(-NORMAL)), "", "probabilities", 1),
        (1 / (1 + np.exp(-NORMAL[:, :1])), "", "probabilities", 1),
        (softmax(NORMAL)[:, :5], "Sigmoid", "probabilities", 1),
        (unit(NORMAL), "", "embedding", 1),
        (unit(NORMAL[:3]), "", "embedding", 1),
        (NORMAL, "LpNormalization", "embedding", 1),
        (NORMAL, "Gemm", "embedding", 1),
        (np.maximum(NORMAL, 0), "Relu", "embedding", 1),
        (NORMAL[:, :1] * 30, "", "regression", 1),
        (NORMAL[:, 0] * 30, "", "regression", 1),
        (RNG.normal(size=(9, 3, 16, 16)), "Conv", "regression", 1),
        (NORMAL[:, :2], "", "unsure", 1),
        (NORMAL[:, :8], "", "unsure", 1),
        (NORMAL[:2], "", "unsure", 1),
        (np.arange(12).reshape(4, 3), "ArgMax", "decisions", 1),
        (np.ones((4, 3), np.bool_), "Greater", "decisions", 1),
        (np.zeros((4, 0, 6), np.float32), "", "regression", 1),
    ],
)
def test_the_kind_of_an_output(values: NDArray[np.float32], producer: str, kind: str, axis: int) -> None:
    (found,) = natures(np.asarray(values), producer)
    assert (found.kind, found.columns) == (kind, ())
    assert found.why
    if kind == "classes":
        assert found.axis == axis


def test_one_large_number_in_every_vector_is_no_class() -> None:
    """Transformers have a few dimensions that are always large."""
    values = NORMAL.copy()
    values[:, 37] += 50
    assert natures(values)[0].kind == "embedding"


def test_bright_spots_of_a_map_are_no_classes() -> None:
    values = RNG.normal(size=(32, 1, 24, 24)) * 0.01
    for image in values:
        image[0, RNG.integers(0, 24), RNG.integers(0, 24)] = 3
    assert natures(values)[0].kind == "regression"


def test_boxes_and_scores_on_one_axis_are_parts() -> None:
    for values, axis in ((detections(8), 1), (detections(8).transpose(0, 2, 1), 2), (detections(64)[..., 0], 1)):
        boxes, scores = natures(values)
        assert (boxes.columns, boxes.kind, boxes.columns_axis) == ((0, 1, 2, 3), "regression", axis)
        assert (scores.columns, scores.kind) == ((4, 5, 6, 7, 8, 9), "probabilities")
        np.testing.assert_array_equal(scores.part(values), values.take(range(4, 10), axis))


def test_a_score_between_boxes_and_points_is_a_part() -> None:
    values = RNG.uniform(5, 60, (8, 30, 15))
    values[..., 4] = RNG.uniform(0, 1, (8, 30))
    assert {part.columns for part in natures(values)} == {(4,), (0, 1, 2, 3, *range(5, 15))}


def test_channels_of_different_size_here_and_there_are_no_parts() -> None:
    values = RNG.normal(size=(8, 32, 6, 6)) * np.where(np.arange(32) % 5 == 0, 0.01, 1)[:, None, None]
    assert len(natures(values)) == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([32, 64, 200]), st.sampled_from([20, 100, 512]))
def test_numbers_without_structure_are_rarely_taken_for_class_scores(seed: int, samples: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = [natures(rng.normal(size=(samples, length)))[0].kind for _ in range(10)]
    assert kinds.count("classes") <= 2
