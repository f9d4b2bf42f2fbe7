"""Refined plain quantization: what is kept, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from tests.helpers.models import Arrays, build, node, random
from tests.helpers.states import FOUR_BITS, inputs, network, separable, sqnr, state

import octavo
from octavo.errors import DataError
from octavo.pipeline.recipe import Recipe
from octavo.quantizer import State
from octavo.recover import follow, refine
from octavo.targets import target

NARROW = dataclasses.replace(target("octavo"), weights=FOUR_BITS)


def refined(plain: State, choose_ranges: bool = True) -> State:
    return refine(plain.settings, plain.model, choose_ranges=choose_ranges)


def noise(count: int, seed: int) -> Arrays:
    return {"x": np.random.default_rng(seed).normal(size=(count, 8, 8, 8)).astype(np.float32)}


def test_channels_of_very_different_ranges_are_equalized() -> None:
    plain = state(separable(), noise(64, 0))
    better = refined(plain)
    assert "channel ranges differed by up to" in better.decisions.refinements["equalize"]
    assert sqnr(better, plain, noise(64, 9)) > sqnr(plain, plain, noise(64, 9)) + 10


def test_a_clip_is_left_alone() -> None:
    """Scaled, its bound would hold for the samples that were seen only."""
    assert "equalize" not in refined(state(separable("Clip"), noise(64, 0))).decisions.refinements


def test_ranges_of_similar_channels_are_left_alone() -> None:
    assert "equalize" not in refined(state(network(), inputs())).decisions.refinements


def test_mean_errors_are_corrected() -> None:
    plain = state(network(), inputs(), NARROW)
    better = refined(plain)
    assert better.decisions.refinements["correct"] == "biases of 3 layers corrected"
    assert sqnr(better, plain, inputs(32, 9)) > sqnr(plain, plain, inputs(32, 9)) + 0.5


def _detector() -> onnx.ModelProto:
    nodes = [node("Conv", ["x", "w", "b"], "c"), node("Relu", ["c"], "r"), node("Conv", ["r", "v"], "y")]
    weights = {"w": random(8, 4, 1, 1), "b": random(8) * 0, "v": random(2, 8, 1, 1, seed=1)}
    return build(nodes, {"x": ["N", 4, 8, 8]}, {"y": ["N", 2, 8, 8]}, weights)


def _with_rare(count: int, seed: int) -> Arrays:
    """Small values, and in each sample one place of large ones."""
    values = inputs(count, seed)["x"]
    values[:, :, 3, 3] *= 60
    return {"x": values}


def test_rare_large_values_are_not_clipped() -> None:
    plain = state(_detector(), _with_rare(64, 0), target("x86-vnni"))
    better = refined(plain)
    assert better.decisions.refinements["ranges"].startswith("min-max ranges for")
    assert sqnr(better, plain, _with_rare(64, 9)) > sqnr(plain, plain, _with_rare(64, 9))
    assert "ranges" not in refined(plain, choose_ranges=False).decisions.refinements


def test_a_refinement_that_does_not_help_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = state(network(), inputs(), NARROW)
    levels = iter([20.0, 20.0, 20.0, 30.0])
    monkeypatch.setattr("octavo.recover.refinements.check.Check.level_of", lambda *arguments: next(levels))
    assert refined(plain).decisions.refinements == {}


def test_a_model_without_a_float_output_is_left_alone() -> None:
    model = network()
    model.graph.node.append(node("ArgMax", ["y"], "z", axis=1))
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("z", onnx.TensorProto.INT64, ["N", 1, 8, 8]))
    assert refined(state(model, inputs())).decisions.refinements == {}


def test_a_model_of_one_batch_size_is_refined() -> None:
    model = network()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 3
    assert "correct" in refined(state(model, inputs(), NARROW)).decisions.refinements


@pytest.mark.parametrize(("module", "name"), [("refine", "capture"), ("trial", "place")])
@pytest.mark.parametrize("error", [DataError("ONNX Runtime could not run the model"), ValueError("shapes\ndiffer")])
def test_a_refinement_that_fails_costs_nothing(
    module: str, name: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(import_module(f"octavo.recover.refinements.{module}"), name, fail)
    result = octavo.quantize(network(), inputs(), NARROW, verify=False)
    reason = "ONNX Runtime could not run the model" if isinstance(error, DataError) else "ValueError: shapes differ"
    assert result.warnings == [f"the defaults were not refined: {reason}"]
    assert result.refinements == {}
    assert result.recipe.refinements == []
    plain = octavo.quantize(network(), inputs(), NARROW, verify=False, recipe=Recipe("octavo"))
    assert _bytes(result) == _bytes(plain)


def test_samples_that_can_be_read_once_give_the_same() -> None:
    samples = inputs()

    def generate() -> Iterator[Arrays]:
        for start in range(0, 48, 5):
            yield {"x": samples["x"][start : start + 5]}

    several = octavo.quantize(network(), list(generate()), NARROW, verify=False)
    once = octavo.quantize(network(), generate(), NARROW, verify=False)
    assert once.refinements
    assert once.calibration_samples == 48
    assert _bytes(once) == _bytes(several)


@pytest.mark.parametrize("name", ["octavo", "x86-vnni", "arm-neon", "per-tensor"])
@pytest.mark.parametrize("make", [separable, _detector])
def test_following_the_recipe_gives_the_same_bytes(make: object, name: str, tmp_path: Path) -> None:
    model = make()  # type: ignore[operator]
    samples = noise(64, 0) if make is separable else _with_rare(64, 0)
    first = octavo.quantize(model, samples, name, verify=False)
    assert first.refinements
    first.recipe.write(tmp_path / "recipe.yaml")
    second = octavo.quantize(model, samples, recipe=tmp_path / "recipe.yaml", verify=False)
    assert second.refinements.keys() == first.refinements.keys() - {"ranges"}
    assert _bytes(first) == _bytes(second)


def test_a_recipe_without_refinements_gives_the_target_s_choices() -> None:
    model, samples = network(), inputs()
    assert octavo.quantize(model, samples, recipe=Recipe("octavo"), verify=False).refinements == {}


def test_following_names_nothing_that_was_not_asked_for() -> None:
    plain = state(network(), inputs(), NARROW)
    assert follow(plain.settings, plain.model, ["correct"]).decisions.refinements.keys() == {"correct"}
    assert follow(plain.settings, plain.model, ["equalize"]).decisions.refinements == {}


def _bytes(result: octavo.QuantizationResult) -> bytes:
    return ir.to_proto(result.model).SerializeToString(deterministic=True)


def _loud(half: int = 16) -> onnx.ModelProto:
    """A Mul makes half of the channels loud that the MatMul behind it does not read."""
    nodes = [
        node("MatMul", ["x", "w"], "m"),
        node("Relu", ["m"], "r"),
        node("Mul", ["r", "loud"], "s"),
        node("MatMul", ["s", "v"], "y"),
    ]
    loud = np.repeat(np.array([300, 1], np.float32), half)
    weights = {"w": random(12, 2 * half), "loud": loud, "v": random(2 * half, 5, seed=1)}
    weights["v"][:half] = 0
    return build(nodes, {"x": ["N", 12]}, {"y": ["N", 5]}, weights)


def test_channels_that_no_weight_reads_do_not_set_the_range() -> None:
    data, unseen = ({"x": np.random.default_rng(seed).normal(size=(64, 12)).astype(np.float32)} for seed in (0, 9))
    plain = state(_loud(), data)
    better = refined(plain)
    assert better.decisions.refinements["equalize"] == "channels of 1 tensor smoothed"
    assert sqnr(plain, plain, unseen) < 10
    assert sqnr(better, plain, unseen) > 30
