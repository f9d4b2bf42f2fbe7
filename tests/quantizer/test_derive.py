"""Plain quantization step by step: what each step reuses, decides, and leaves out."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from tests.helpers.models import build, node, random
from tests.helpers.states import inputs, network, state

from octavo.affine import UINT16, Grid, QuantParams, rule
from octavo.graph.weights import QuantizedConstant
from octavo.quantizer import Decisions, State, derive
from octavo.quantizer.derive import activation_params, calibrate, choose_ranges, make_plan, overflowing_layers
from octavo.targets import target


def values(params: QuantParams) -> tuple[Grid, bytes, bytes]:
    """What two equal parameters have in common."""
    return params.grid, params.scale.tobytes(), params.zero_point.tobytes()


@pytest.fixture(scope="module")
def plain() -> State:
    return state(network(), inputs(16))


def test_the_public_steps_give_what_derive_gives(plain: State) -> None:
    plan = make_plan(plain)
    calibration = calibrate(plain, plan)
    ranges = choose_ranges(plain, plan, calibration)
    assert calibration is plain.calibration, "every observer is there"
    assert ranges == plain.ranges
    activations = activation_params(plain, plan, ranges)
    assert {name: values(params) for name, params in activations.items()} == {
        name: values(params) for name, params in plain.activations.items()
    }
    assert overflowing_layers(plain.proofs) == {}


def test_a_draft_drops_what_was_derived(plain: State) -> None:
    draft = plain.with_estimators({"x": "minmax"})
    assert not isinstance(draft, State)
    assert draft.calibration is plain.calibration
    assert derive(draft).plan.tensors["x"].estimator == "minmax"
    assert plain.plan.tensors["x"].estimator != "minmax"


def test_another_model_drops_observers_and_what_was_chosen_for_its_weights(plain: State) -> None:
    constants = {key: QuantizedConstant(c.tensor, c.integers, c.params) for key, c in plain.constants.items()}
    decided = plain.with_estimators({"x": "minmax"}).with_constants(constants)
    draft = decided.with_model(plain.model.clone())
    assert draft.decisions == Decisions(estimators={"x": "minmax"})
    assert draft.calibration.observers == {}
    assert draft.reference is draft.model
    biased = decided.with_biases(plain.model.clone())
    assert biased.decisions == decided.decisions
    assert biased.reference is plain.reference


def test_another_grid_drops_the_training_of_its_tensor_only(plain: State) -> None:
    trained = plain.with_training(plain.model, {"x": plain.activations["x"], "r": plain.activations["r"]}, {})
    assert trained.with_grids({"r": UINT16}).decisions.trained == {"x": plain.activations["x"]}


def test_trained_parameters_take_the_place_of_a_range(plain: State) -> None:
    params = replace(plain.activations["x"], scale=plain.activations["x"].scale * 2)
    trained = derive(plain.with_training(plain.model, {"x": params}, {}))
    assert trained.activations["x"] == params
    assert "x" not in trained.ranges


def test_a_layer_that_could_overflow_is_left_out_with_its_bound() -> None:
    terms = 140_000  # the sum of 140,000 products of 127 and at least 128 overflows int32
    nodes = [node("MatMul", ["x", "w"], "m"), node("MatMul", ["m", "v"], "y")]
    weights = {"w": np.full((terms, 4), 1 / terms, np.float32), "v": np.eye(4, dtype=np.float32)}
    result = state(build(nodes, {"x": ["N", terms]}, {"y": ["N", 4]}, weights), {"x": random(4, terms)})
    ((name, reason),) = result.decisions.left_out.items()
    assert name == "matmul_m"
    assert name not in result.plan.layers
    assert re.fullmatch(r"its accumulator could reach \d+, beyond 32 bits", reason)
    assert all(proof.holds for proof in result.proofs)


@pytest.mark.parametrize("name", ["octavo", "fbgemm"])
def test_parameters_follow_the_rule_of_the_target(name: str) -> None:
    result = state(network(), inputs(16), target(name))
    tensor = result.plan.tensors["x"]
    expected = rule(result.plan.target.rule).params_from_range(
        *result.ranges["x"], tensor.grid, symmetric=tensor.symmetric
    )
    assert values(result.activations["x"]) == values(expected)
