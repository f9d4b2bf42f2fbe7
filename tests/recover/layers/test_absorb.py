"""High-bias absorption: exact on the calibration samples."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from tests.helpers.models import build, node, random
from tests.helpers.states import difference, random_state

from octavo.quantizer import derive
from octavo.recover.layers.absorb import absorb_biases


def _high(pads: int) -> onnx.ModelProto:
    nodes = [
        node("Conv", ["x", "w1", "b1"], "c"),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "w2"], "y", pads=[pads] * 4),
    ]
    weights = {"w1": random(8, 4, 3, 3), "b1": np.full(8, 20, np.float32), "w2": random(6, 8, 3, 3)}
    side = 4 + 2 * pads
    return build(nodes, {"x": ["N", 4, 8, 8]}, {"y": ["N", 6, side, side]}, weights)


def test_constant_offsets_are_absorbed_into_the_next_bias() -> None:
    state, arrays = random_state(_high(0))
    model = state.model.clone()
    assert absorb_biases(state, model) == 8
    assert difference(state.model, model, arrays) < 1e-5
    after = derive(state.with_model(model))
    assert after.activations["r"].scale < state.activations["r"].scale / 2


def test_nothing_is_absorbed_before_a_layer_with_padding() -> None:
    state, _ = random_state(_high(1))
    assert absorb_biases(state, state.model.clone()) == 0


@pytest.mark.parametrize("level", [0.0, -20.0])
def test_nothing_is_absorbed_from_channels_that_reach_zero(level: float) -> None:
    nodes = [node("Gemm", ["x", "w", "b"], "a"), node("Relu", ["a"], "r"), node("Gemm", ["r", "v"], "y")]
    weights = {"w": random(8, 8), "b": np.full(8, level, np.float32), "v": random(8, 8, seed=1)}
    state, _ = random_state(build(nodes, {"x": ["N", 8]}, {"y": ["N", 8]}, weights))
    assert absorb_biases(state, state.model.clone()) == 0
