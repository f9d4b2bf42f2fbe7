"""Parts of a packed tensor get grids of their own where the whole spans much more."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from tests.helpers.models import build, node, random
from tests.helpers.models.unusual_ranges import packed_state, state_samples
from tests.helpers.states import output_sqnr, state

from octavo.targets import target


@pytest.mark.parametrize("to", ["x86-vnni", "octavo", "arm-neon", "nvidia-tensorrt"])
def test_a_quiet_part_is_quantized_behind_its_slice(to: str) -> None:
    samples = state_samples()
    plain = state(packed_state(), samples, target(to))
    assert "slice_h_part" not in plain.plan.layers
    assert "gets a grid of its own" in plain.decisions.left_out["slice_h_part"]
    assert "matmul_t" in plain.plan.layers
    assert output_sqnr(plain.quantized, plain, samples) >= 30


def test_parts_of_like_ranges_share_the_grid_of_the_whole() -> None:
    nodes = [
        node("Slice", ["s", "zero", "half", "last"], "left"),
        node("Slice", ["s", "half", "whole", "last"], "right"),
        node("MatMul", ["left", "w"], "y"),
        node("MatMul", ["right", "w"], "z"),
    ]
    weights = {"w": random(8, 8), "last": np.asarray([1])}
    weights |= {name: np.asarray([i]) for name, i in {"zero": 0, "half": 8, "whole": 16}.items()}
    model = build(nodes, {"s": ["N", 16]}, {"y": ["N", 8], "z": ["N", 8]}, weights)
    s = np.random.default_rng(0).normal(size=(64, 16)).astype(np.float32)
    s[:, 8:] *= 4
    plain = state(model, {"s": s})
    assert plain.decisions.left_out == {}
    assert plain.plan.tensors["left"].source == "s"


def test_movers_in_front_of_the_part_and_an_operator_that_packs_follow_it() -> None:
    split = helper.make_node("Split", ["shaped"], ["one", "two"], name="split", axis=1)
    nodes = [
        node("MatMul", ["x", "w"], "quiet"),
        node("MatMul", ["x", "v"], "loud"),
        node("Concat", ["quiet", "loud"], "packed", axis=1),
        node("Reshape", ["packed", "shape"], "shaped"),
        split,
        node("Flatten", ["one"], "flat"),
        node("MatMul", ["flat", "w"], "y"),
    ]
    weights = {"w": random(16, 16), "v": random(16, 16, seed=1) * 500, "shape": np.asarray([0, 2, 16])}
    model = build(nodes, {"x": ["N", 16]}, {"y": ["N", 16], "two": ["N", 1, 16]}, weights)
    samples = {"x": np.random.default_rng(0).normal(size=(64, 16)).astype(np.float32)}
    plain = state(model, samples)
    assert {"concat_packed", "reshape_shaped", "split"}.isdisjoint(plain.plan.layers)
    assert output_sqnr(plain.quantized, plain, samples) >= 30
