"""Operators that go back to float, because no integer layer reads them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from tests.helpers.models import build, node, random
from tests.helpers.models.unusual_ranges import loud_second_branch, tiny_weights
from tests.helpers.states import state

from octavo.engines.onnxruntime import Session
from octavo.graph import prepare
from octavo.graph.plan import make_plan
from octavo.targets import target, target_names


def decibels(exact: np.ndarray, rounded: np.ndarray) -> float:
    noise = np.square(rounded.astype(np.float64) - exact).sum()
    return float(10 * np.log10(np.square(exact.astype(np.float64)).sum() / noise))


def test_a_carried_operator_goes_back_to_float_with_its_last_integer_reader() -> None:
    samples = {"x": np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)}
    plain = state(loud_second_branch(), samples, target("x86-vnni"))
    assert "mul_c" not in plain.plan.layers
    exact, rounded = (Session(model, threads=1).run(samples) for model in (plain.model, plain.quantized))
    assert decibels(exact["second"], rounded["second"]) >= 30


def test_a_carried_operator_with_an_integer_reader_stays() -> None:
    model = prepare(ir.from_proto(loud_second_branch()))
    assert "mul_c" in make_plan(model, target("octavo")).layers


@pytest.mark.parametrize("to", [name for name in target_names() if not target(name).weights_only])
def test_an_output_that_is_an_input_handed_through_stays_exact(to: str) -> None:
    nodes = [
        node("MatMul", ["x", "w"], "a"),
        node("Relu", ["a"], "middle"),
        node("MatMul", ["middle", "w"], "y"),
        node("Identity", ["x"], "through"),
        node("Reshape", ["x", "shape"], "shaped"),
        node("Identity", ["c"], "stored"),
        node("Identity", ["middle"], "copy"),
    ]
    weights = {"w": random(64, 64), "c": random(3), "shape": np.asarray([-1, 8, 8])}
    outputs = {"y": ["N", 64], "middle": ["N", 64], "through": ["N", 64], "shaped": ["N", 8, 8], "stored": [3]}
    model = build(nodes, {"x": ["N", 64]}, {**outputs, "copy": ["N", 64]}, weights)
    samples = {"x": np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)}
    found = Session(state(model, samples, target(to)).quantized, threads=1).run(samples)
    assert found["through"].tobytes() == found["shaped"].tobytes() == samples["x"].tobytes()
    assert found["stored"].tobytes() == weights["c"].tobytes()
    assert found["copy"].tobytes() == found["middle"].tobytes()


def test_a_mover_of_what_a_layer_writes_as_integers_stays() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Relu", ["c"], "r"), node("Flatten", ["r"], "y")]
    model = build(nodes, {"x": ["N", 4, 2, 2]}, {"y": ["N", 32]}, {"w": random(8, 4, 1, 1)})
    assert "flatten_y" in make_plan(prepare(ir.from_proto(model)), target("octavo")).layers


@pytest.mark.parametrize("to", ["nvidia-tensorrt", "x86-vnni"])
def test_a_float_bias_fits_int32_for_engines_that_make_it_one(to: str) -> None:
    samples = {"x": np.random.default_rng(0).normal(size=(64, 4, 8, 8)).astype(np.float32)}
    plain = state(tiny_weights(), samples, target(to))
    weight = plain.constants["conv_c", 1]
    product = weight.params.scale.astype(np.float64) * float(plain.activations["x"].scale)
    assert np.all(np.abs([0.1, 0.5, 1.0, 0.8]) / product < 2**31)
    exact, rounded = (Session(model, threads=1).run(samples)["y"] for model in (plain.model, plain.quantized))
    assert decibels(exact, rounded) >= 30
