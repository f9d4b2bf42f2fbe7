"""Learned rounding of a single MatMul, for which the best integers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

pytest.importorskip("torch")

from tests.helpers.models import build, node

from octavo.torch import Batch, Biased, Rounded, Task, block_error, corrected_biases, importance, learn_rounding

REAL = np.array([[0.48, -0.3], [0.32, 0.2]])
NODES = list(
    ir.from_proto(
        build([node("MatMul", ["x", "w"], "y")], {"x": ["N", 2]}, {"y": ["N", 2]}, {"w": REAL.astype(np.float32)})
    ).graph
)


def task(**changes: object) -> Task:
    weight = Rounded("w", REAL, np.zeros((2, 2), np.int8), np.ones((1, 2), np.float32), -7, 7)
    return replace(Task(NODES, {"y": "y"}, [weight], [], 400, 16, 0), **changes)  # type: ignore[arg-type]


def batch(weight: dict[str, np.ndarray] | None = None) -> Batch:
    """Samples with two equal inputs, so that only the sum of each weight column matters."""
    x = np.repeat(np.random.default_rng(0).normal(size=(64, 1)).astype(np.float32), 2, axis=1)
    return Batch({"x": x}, {"y": x @ REAL.astype(np.float32)}, weight or {}, 64)


def test_rounding_minimizes_the_error_of_the_sum() -> None:
    (q,) = learn_rounding(task(), [batch()], {})
    assert sorted(q[:, 0]) == [0, 1]
    assert q[:, 1].sum() == 0
    assert block_error(task(), [batch()], [q], {}) < 0.3 * block_error(task(), [batch()], [np.zeros((2, 2))], {})


def test_integers_stay_on_the_grid() -> None:
    weight = replace(task().weights[0], real=REAL + 9, integers=np.full((2, 2), 7, np.int8))
    (q,) = learn_rounding(task(weights=[weight]), [batch()], {})
    assert q.max() <= 7


def test_outputs_of_weight_0_do_not_count() -> None:
    weight = np.zeros((64, 2), np.float32)
    assert block_error(task(), [batch({"y": weight})], [np.zeros((2, 2))], {}) == 0


def test_bias_correction_removes_the_mean_error() -> None:
    model = build(
        [node("Gemm", ["x", "w", "b"], "y")],
        {"x": ["N", 2]},
        {"y": ["N", 2]},
        {"w": np.eye(2, dtype=np.float32), "b": np.zeros(2, np.float32)},
    )
    x = np.random.default_rng(0).normal(1.0, size=(40, 2)).astype(np.float32)
    samples = Batch({"x": x}, {"y": x + np.float32([3, -2])}, {}, 40)
    weight = Rounded("w", np.eye(2), np.eye(2, dtype=np.int8), np.ones((1, 1), np.float32), -7, 7)
    bias = Biased("gemm_y", "b", np.zeros(2, np.float32), "y", "y")
    work = Task(list(ir.from_proto(model).graph), {"y": "y"}, [weight], [bias], 1, 16, 0)
    biases = corrected_biases(work, [samples], [weight.integers])
    np.testing.assert_allclose(biases["b"], [3, -2], atol=1e-5)


def test_importance_is_the_squared_gradient_of_the_outputs() -> None:
    model = ir.from_proto(
        build(
            [node("Mul", ["x", "k"], "m"), node("Relu", ["m"], "r"), node("MatMul", ["r", "w"], "y")],
            {"x": ["N", 2]},
            {"y": ["N", 3]},
            {"k": np.float32([1, -1]), "w": np.float32([[1, 2, 3], [4, 5, 6]])},
        )
    )
    x = np.array([[1, 1], [2, -3]], np.float32)
    values = importance(list(model.graph), {"x": x}, ["r"], ["y"], 0)["r"]
    # Each sample is the square of +-1 +-2 +-3 or of +-4 +-5 +-6; where Relu is 0, the gradient is 0.
    assert values.shape == (2, 2)
    assert (values[:, 0] <= 36).all()
    assert (values[:, 1] <= 225).all()
    assert values.min() > 0
    np.testing.assert_array_equal(importance(list(model.graph), {"x": x}, ["m"], ["y"], 0)["m"][0, 1], 0)
