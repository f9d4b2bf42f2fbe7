"""Ranges that calibration did not observe are not used."""

from __future__ import annotations

import numpy as np
import pytest
from tests.helpers.models import build, node, random
from tests.helpers.models.unusual_ranges import branch_samples, quiet_branch
from tests.helpers.states import output_sqnr, outputs, state

from octavo.quantizer import unseen_warnings
from octavo.targets import target

# A layer that writes float, and one whose fused Relu makes it write integers.
TARGETS = ["x86-vnni", "octavo", "arm-neon", "nvidia-tensorrt", "per-tensor"]


@pytest.mark.parametrize("to", TARGETS)
def test_a_branch_that_calibration_never_wakes_stays_in_float(to: str) -> None:
    plain = state(quiet_branch(), branch_samples(awake=False), target(to))
    assert {"matmul_e1", "matmul_e3"}.isdisjoint(plain.plan.layers)
    assert "matmul_a" in plain.plan.layers
    least = 25.0 if to == "per-tensor" else 30.0
    assert output_sqnr(plain.quantized, plain, branch_samples(awake=True)) >= least


def test_the_warning_names_tensor_layers_and_missing_data() -> None:
    plain = state(quiet_branch(), branch_samples(awake=False))
    first, *_ = unseen_warnings(plain.calibration, plain.decisions.left_out)
    assert "'routed' had one value throughout" in first
    assert "'matmul_e1' stayed in float" in first
    assert "add calibration samples for which 'routed' varies" in first


def test_a_branch_that_calibration_wakes_runs_in_integers_without_a_warning() -> None:
    plain = state(quiet_branch(), branch_samples(awake=True))
    assert {"matmul_e1", "matmul_e3"} <= set(plain.plan.layers)
    assert unseen_warnings(plain.calibration, plain.decisions.left_out) == []


def test_a_layer_that_can_write_integers_only_stays_in_float_if_its_output_never_varied() -> None:
    nodes = [node("Conv", ["x", "w", "b"], "c"), node("Relu", ["c"], "r"), node("Conv", ["r", "v"], "y")]
    weights = {"w": random(8, 4, 1, 1), "b": np.full(8, -100, np.float32), "v": random(8, 8, 1, 1)}
    model = build(
        [*nodes, node("Conv", ["x", "w"], "z")], {"x": ["N", 4, 4, 4]}, {name: ["N", 8, 4, 4] for name in "yz"}, weights
    )
    x = np.random.default_rng(0).normal(size=(16, 4, 4, 4)).astype(np.float32)
    plain = state(model, {"x": x})
    assert set(plain.plan.layers) == {"conv_z"}
    awake = {"x": x + 200}
    np.testing.assert_array_equal(outputs(plain.quantized, awake), outputs(plain.model, awake))


def test_a_constant_tensor_keeps_integers_where_the_graph_proves_its_bounds() -> None:
    nodes = [node("Clip", ["x", "low", "high"], "c"), node("MatMul", ["c", "w"], "y")]
    weights = {"low": np.asarray(0, np.float32), "high": np.asarray(6, np.float32), "w": random(16, 16)}
    model = build(nodes, {"x": ["N", 16]}, {"y": ["N", 16]}, weights)
    plain = state(model, {"x": np.full((8, 16), -1, np.float32)})
    assert "matmul_y" in plain.plan.layers
    assert plain.ranges["c"] == (0.0, 6.0)
    x = np.random.default_rng(0).uniform(0, 6, (64, 16)).astype(np.float32)
    assert output_sqnr(plain.quantized, plain, {"x": x}) >= 35
