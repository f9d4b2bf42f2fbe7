"""SmoothQuant: the same function, smaller ranges of outlier channels."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from tests.helpers.models import build, node, random
from tests.helpers.states import difference, random_state, sqnr

from octavo.recover.rungs.smooth import smooth


def _block(outlier: float, residual: bool = False) -> onnx.ModelProto:
    """LayerNormalization with two outlier channels, read by two MatMul and optionally by an Add."""
    gamma = np.ones(16, np.float32)
    gamma[[3, 7]] = outlier
    nodes = [
        node("LayerNormalization", ["x", "gamma", "beta"], "n"),
        node("MatMul", ["n", "w"], "a"),
        node("MatMul", ["n", "v"], "b"),
        node("Add", ["a", "b"], "s"),
        *([node("Add", ["s", "n"], "y")] if residual else [node("Softmax", ["s"], "y")]),
    ]
    weights = {"gamma": gamma, "beta": random(16) * gamma, "w": random(16, 16), "v": random(16, 16, seed=1)}
    for name in ("w", "v"):
        weights[name][[3, 7]] /= outlier
    return build(nodes, {"x": ["N", 4, 16]}, {"y": ["N", 4, 16]}, weights)


def test_outliers_fold_into_the_norm() -> None:
    state, arrays = random_state(_block(100.0))
    outcome = smooth(state)
    assert "1 of 1 tensors smoothed, 0" in outcome.note
    assert len(list(outcome.state.model.graph)) == len(list(state.model.graph))
    assert difference(state.model, outcome.state.model, arrays) < 1e-5
    assert sqnr(outcome.state, state, arrays) > sqnr(state, state, arrays) + 10


def test_with_another_reader_a_mul_is_inserted() -> None:
    state, arrays = random_state(_block(100.0, residual=True), "x86-vnni")
    outcome = smooth(state)
    assert "1 of 1 tensors smoothed, 1" in outcome.note
    assert difference(state.model, outcome.state.model, arrays) < 1e-5


@pytest.mark.parametrize("op", ["Mul", "Add"])
def test_arithmetic_with_constants_takes_the_factor(op: str) -> None:
    scale = np.where(np.arange(16) % 8 == 3, 100.0, 1.0).astype(np.float32)
    nodes = [
        node("MatMul", ["x", "w"], "m"),
        node("Relu", ["m"], "r") if op == "Mul" else node("Identity", ["m"], "r"),
        node(op, ["r", "c"], "n"),
        node("MatMul", ["n", "v"], "y"),
    ]
    first = random(8, 16) * (scale if op == "Add" else 1)
    weights = {"w": first.astype(np.float32), "c": scale, "v": random(16, 8) / scale[:, None]}
    state, arrays = random_state(build(nodes, {"x": ["N", 4, 8]}, {"y": ["N", 4, 8]}, weights))
    outcome = smooth(state)
    assert outcome.state is not state
    assert difference(state.model, outcome.state.model, arrays) < 1e-5
    assert sqnr(outcome.state, state, arrays) > sqnr(state, state, arrays)


def test_a_model_without_gemm_or_matmul_is_unchanged() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Relu", ["c"], "y")]
    state, _ = random_state(build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 8, 4, 4]}, {"w": random(8, 4, 3, 3)}))
    outcome = smooth(state)
    assert outcome.state is state
    assert outcome.note == "no gain for any of 0 tensors that Gemm and MatMul read"
