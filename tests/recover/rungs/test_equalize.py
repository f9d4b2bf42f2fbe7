"""Cross-layer equalization: the same function, similar ranges of all channels."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from tests.helpers.models import ONE, build, linear, node, random, residual
from tests.helpers.states import difference, factors, random_state, separable, sqnr

from octavo.recover.rungs.equalize import equalize

SHAPES = {"x": ["N", 8, 8, 8]}


@pytest.mark.parametrize("act", ["Relu", "PRelu", "LeakyRelu", "Clip"])
def test_badly_scaled_channels_lose_no_accuracy_after_equalization(act: str) -> None:
    state, arrays = random_state(separable(act))
    outcome = equalize(state)
    assert "3 pairs of layers equalized" in outcome.note
    assert difference(state.model, outcome.state.model, arrays) < 1e-5
    assert sqnr(outcome.state, state, arrays) > sqnr(state, state, arrays) + 10


def _relu6(factor: np.ndarray) -> onnx.ModelProto:
    nodes = [
        node("Conv", ["x", "w1"], "c"),
        node("Clip", ["c", "low", "high"], "r"),
        node("Conv", ["r", "w2"], "y"),
    ]
    weights = {
        "w1": random(16, 8, 3, 3) * 4 * factor[:, None, None, None],
        "w2": random(6, 16, 1, 1) / factor[:, None, None],
        "low": ONE * 0,
        "high": ONE * 6,
    }
    return build(nodes, SHAPES, {"y": ["N", 6, 6, 6]}, weights)


def test_with_relu6_only_channels_of_small_range_are_scaled() -> None:
    factor = np.where(np.arange(16) < 8, 1.0, 0.003).astype(np.float32)
    state, arrays = random_state(_relu6(factor))
    outcome = equalize(state)
    assert outcome.state is not state
    assert "Clip" in {n.op_type for n in outcome.state.model.graph}
    assert difference(state.model, outcome.state.model, arrays) < 1e-5
    assert sqnr(outcome.state, state, arrays) > sqnr(state, state, arrays) + 10


def test_a_tensor_with_two_readers_is_not_equalized() -> None:
    state, _ = random_state(residual())
    outcome = equalize(state)
    assert outcome.state is state
    assert outcome.note == "no two layers are connected by one reader each"


def test_layers_with_shared_weights_get_separate_weights() -> None:
    factor = factors(8)
    nodes = [
        node("Gemm", ["x", "w"], "a"),
        node("Relu", ["a"], "r"),
        node("Gemm", ["r", "v"], "b"),
        node("Relu", ["b"], "s"),
        node("Gemm", ["s", "w"], "y"),
    ]
    weights = {"w": random(8, 8) * factor, "v": random(8, 8, seed=1) / factor[:, None]}
    state, arrays = random_state(build(nodes, {"x": ["N", 8]}, {"y": ["N", 8]}, weights))
    outcome = equalize(state)
    assert outcome.state is not state
    assert difference(state.model, outcome.state.model, arrays) < 1e-5


@pytest.mark.parametrize("transposed", [0, 1])
def test_a_chain_of_gemm_is_equalized(transposed: int) -> None:
    factor = factors(32)
    first, second = random(16, 32) * factor, random(32, 8) / factor[:, None]
    weights = {"w": first.T if transposed else first, "v": second.T if transposed else second, "b": random(32) * factor}
    nodes = [
        node("Gemm", ["x", "w", "b"], "a", transB=transposed),
        node("Relu", ["a"], "r"),
        node("Gemm", ["r", "v"], "y", transB=transposed),
    ]
    state, arrays = random_state(build(nodes, {"x": ["N", 16]}, {"y": ["N", 8]}, weights))
    outcome = equalize(state)
    assert difference(state.model, outcome.state.model, arrays) < 1e-5
    assert sqnr(outcome.state, state, arrays) > sqnr(state, state, arrays) + 10


def test_a_single_layer_has_no_pair() -> None:
    state, _ = random_state(linear())
    assert equalize(state).state is state


@pytest.mark.parametrize("kind", ["transposed", "grouped"])
def test_transposed_and_grouped_layers_are_equalized(kind: str) -> None:
    factor = factors(8)
    if kind == "transposed":
        first = node("ConvTranspose", ["x", "w", "b"], "c", group=2, strides=[2, 2])
        second = node("ConvTranspose", ["r", "v"], "y", group=2)
        w = random(8, 4, 2, 2) * np.repeat(factor.reshape(2, 4), 4, axis=0)[:, :, None, None]
        v = random(8, 3, 2, 2) / factor[:, None, None, None]
        side = 17
    else:
        first = node("Conv", ["x", "w", "b"], "c", group=2)
        second = node("Conv", ["r", "v"], "y", group=2)
        w = random(8, 4, 3, 3) * factor[:, None, None, None]
        v = random(6, 4, 1, 1) / np.repeat(factor.reshape(2, 4), 3, axis=0)[:, :, None, None]
        side = 6
    weights = {"w": w.astype(np.float32), "v": v.astype(np.float32), "b": random(8) * factor}
    nodes = [first, node("Relu", ["c"], "r"), second]
    proto = build(nodes, SHAPES, {"y": ["N", 6, side, side]}, weights)
    state, arrays = random_state(proto)
    outcome = equalize(state)
    assert difference(state.model, outcome.state.model, arrays) < 1e-5
    assert sqnr(outcome.state, state, arrays) > sqnr(state, state, arrays) + 3


def test_per_tensor_weights_are_equalized_too() -> None:
    state, arrays = random_state(separable(), per_channel=False)
    outcome = equalize(state)
    assert difference(state.model, outcome.state.model, arrays) < 1e-5
    assert sqnr(outcome.state, state, arrays) > sqnr(state, state, arrays) + 10
