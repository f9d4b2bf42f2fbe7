"""Recipes: a written recipe gives the same model when read back, edits take effect, and errors are one sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import numpy_helper
from tests.helpers.jobs import graph_bytes, proto, quantized, samples
from tests.helpers.models import conv_relu, mlp, residual

from octavo.errors import ModelError, OptionError, TargetError
from octavo.pipeline.recipe import Recipe, read_recipe

Edit = Callable[[dict[str, Any]], None]
NAMES = st.text(st.characters(codec="utf-8"), min_size=1)


@pytest.fixture(scope="module")
def recipe_text() -> str:
    """The recipe of `conv_relu` as text."""
    return yaml.safe_dump({"octavo_recipe": 1, **quantized().recipe.__dict__}, sort_keys=False)


@pytest.fixture
def edited(recipe_text: str, tmp_path: Path) -> Callable[[Edit], Path]:
    """Writes the recipe of `conv_relu` after an edit."""

    def write(edit: Edit) -> Path:
        fields = yaml.safe_load(recipe_text)
        edit(fields)
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(fields), encoding="utf-8")
        return path

    return write


def put(value: Any, *keys: Any) -> Edit:
    """An edit that sets the value under nested keys."""

    def edit(fields: dict[str, Any]) -> None:
        for key in keys[:-1]:
            fields = fields[key]
        fields[keys[-1]] = value

    return edit


def initializers(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def quantizers(model: onnx.ModelProto) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Scale and zero point of each quantized tensor."""
    constants = initializers(model)
    nodes = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    return {node.input[0]: (constants[node.input[1]], constants[node.input[2]]) for node in nodes}


@pytest.mark.parametrize("target", ["x86-vnni", "nvidia-tensorrt", "fbgemm"])
def test_a_recipe_read_back_gives_the_same_model(tmp_path: Path, target: str) -> None:
    first = quantized(residual(), {"x": np.ones((1, 8, 6, 6), np.float32)}, target, exclude=["conv_c"], seed=3)
    first.recipe.write(tmp_path / "recipe.yaml")
    second = quantized(residual(), {"x": np.ones((1, 8, 6, 6), np.float32)}, "auto", recipe=tmp_path / "recipe.yaml")
    assert second.recipe == first.recipe == read_recipe(tmp_path / "recipe.yaml")
    assert second.target == target
    assert [left.why for left in second.left_float if left.name == "conv_c"] == ["excluded by 'conv_c'"]
    assert graph_bytes(second) == graph_bytes(first)


@example("a\x85", "\u2028", 0, ["\u2029 b"])
@given(NAMES, NAMES, st.integers(0, 2**63), st.lists(NAMES))
def test_any_name_round_trips_through_the_file(
    tmp_path_factory: pytest.TempPathFactory, tensor: str, layer: str, seed: int, exclude: list[str]
) -> None:
    recipe = Recipe(
        "x86-vnni",
        seed,
        exclude,
        {tensor: {"grid": "uint8[0,127]", "symmetric": False, "estimator": "percentile:99.9"}},
        {layer: {1: {"grid": "int8[-127,127]", "axis": None}}},
    )
    path = tmp_path_factory.mktemp("recipes") / "recipe.yaml"
    recipe.write(path)
    assert read_recipe(path) == recipe


def test_another_estimator_changes_only_that_tensor(edited: Callable[[Edit], Path]) -> None:
    before = quantizers(proto(quantized()))
    after = quantizers(proto(quantized(recipe=edited(put("percentile:80", "tensors", "r", "estimator")))))
    changed = [name for name in before if before[name] != after[name]]
    assert changed == ["r"]
    assert after["r"][0] < before["r"][0]


def test_a_symmetric_tensor_has_the_zero_point_at_the_middle(edited: Callable[[Edit], Path]) -> None:
    edit = put({"grid": "int8", "symmetric": True, "estimator": "minmax"}, "tensors", "x")
    scale, zero_point = quantizers(proto(quantized(recipe=edited(edit))))["x"]
    assert zero_point == 0
    assert zero_point.dtype == np.int8
    assert scale == pytest.approx(np.abs(samples()["x"]).max() / 127, rel=1e-6)


def test_weights_have_the_grid_and_granularity_of_the_recipe(edited: Callable[[Edit], Path]) -> None:
    edit = put({"grid": "int8[-31,31]", "axis": None}, "weights", "conv_c", 1)
    model = proto(quantized(recipe=edited(edit)))
    integers = {
        name: array for name, array in initializers(model).items() if array.dtype == np.int8 and array.ndim == 4
    }
    widest = sorted(int(np.abs(array).max()) for array in integers.values())
    assert widest == [31, 127]
    scales = {node.input[0]: node.input[1] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    (narrow,) = [name for name, array in integers.items() if np.abs(array).max() == 31]
    assert initializers(model)[scales[narrow]].shape == ()


def test_an_exclusion_can_be_added_by_hand(edited: Callable[[Edit], Path]) -> None:
    result = quantized(recipe=edited(put(["conv_y"], "exclude")))
    assert [left.name for left in result.left_float] == ["conv_y"]
    assert set(result.recipe.weights) == {"conv_c"}
    fresh = replace(quantized(exclude=["conv_y"]).recipe, refinements=result.recipe.refinements)
    assert graph_bytes(result) == graph_bytes(quantized(recipe=fresh))


def test_exclusions_of_the_call_are_added_to_those_of_the_recipe(edited: Callable[[Edit], Path]) -> None:
    path = edited(put(["conv_y"], "exclude"))
    with pytest.raises(ModelError, match="no operator of the model can run in integers"):
        quantized(recipe=path, exclude=["conv_c"])


def test_a_named_target_overrides_the_recipe(edited: Callable[[Edit], Path]) -> None:
    assert quantized(target="octavo", recipe=edited(lambda fields: None)).target == "octavo"


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (put(1, "tensor"), "an unknown field 'tensor'; the fields are target, seed, exclude, tensors, weights"),
        (lambda fields: fields.pop("target"), "has no target"),
        (put(5, "target"), "the target is not a string"),
        (put("x", "seed"), "the seed is not an integer of 0 or more"),
        (put(-1, "seed"), "the seed is not an integer of 0 or more"),
        (put(True, "seed"), "the seed is not an integer of 0 or more"),
        (put("Conv", "exclude"), "exclude is not a list of names"),
        (put(None, "tensors"), "tensors is not a mapping by name"),
        (put(["x"], "weights"), "weights is not a mapping by name"),
        (put({}, "tensors", 12), "the name 12 in tensors is not a string"),
        (put("mse", "tensors", "x"), "tensor 'x' must have exactly the fields grid, symmetric, estimator"),
        (put(0.5, "tensors", "x", "scale"), "tensor 'x' must have exactly the fields grid, symmetric, estimator"),
        (put("no", "tensors", "x", "symmetric"), "the symmetric of tensor 'x' is not true or false"),
        (put(None, "tensors", "x", "estimator"), "the estimator of tensor 'x' is not a string"),
        (put("int9", "tensors", "x", "grid"), "tensor 'x' has an invalid grid: 'int9' is not a grid"),
        (put("int8[5,-5]", "tensors", "x", "grid"), r"tensor 'x' has an invalid grid: bounds \[5,-5\] do not fit"),
        (put({"1": {}}, "weights", "conv_c"), "weights of layer 'conv_c' are not a mapping by input index"),
        (put([], "weights", "conv_c"), "weights of layer 'conv_c' are not a mapping by input index"),
        (put("0", "weights", "conv_c", 1, "axis"), "the axis of weights 1 of layer 'conv_c' is not an integer or"),
        (put({"grid": "int8"}, "weights", "conv_c", 1), "weights 1 of layer 'conv_c' must have exactly the fields"),
    ],
)
def test_the_error_names_an_invalid_field(edited: Callable[[Edit], Path], edit: Edit, sentence: str) -> None:
    path = edited(edit)
    with pytest.raises(OptionError, match=sentence) as raised:
        read_recipe(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (put({"grid": "int8", "symmetric": True, "estimator": "mse"}, "tensors", "nowhere"), "tensor 'nowhere'"),
        (put({1: {"grid": "int8", "axis": 0}}, "weights", "nothing"), "layer 'nothing'"),
        (put({"grid": "int8", "axis": 0}, "weights", "conv_c", 2), "weights 2 of layer 'conv_c'"),
        (put(1, "weights", "conv_c", 1, "axis"), "axis 1 for weights of 'conv_c', which accept 0 or null"),
        (put(-1, "weights", "conv_c", 1, "axis"), "axis -1 for weights of 'conv_c'"),
        (put("uint8", "weights", "conv_c", 1, "grid"), "sets grid uint8 for weights of 'conv_c'"),
        (put("median", "tensors", "x", "estimator"), "there is no estimator 'median'"),
    ],
)
def test_the_error_names_a_decision_that_does_not_fit_the_model(
    edited: Callable[[Edit], Path], edit: Edit, sentence: str
) -> None:
    with pytest.raises(OptionError, match=sentence):
        quantized(recipe=edited(edit))


@pytest.mark.parametrize("grid", ["int4", "uint4"])
def test_a_grid_that_the_target_does_not_accept_is_refused(edited: Callable[[Edit], Path], grid: str) -> None:
    with pytest.raises(TargetError, match=f"stores {grid} but x86-vnni takes int16 or int8 or uint16 or uint8"):
        quantized(recipe=edited(put(grid, "tensors", "x", "grid")))


def test_the_recipe_of_another_model_is_refused_with_a_name(edited: Callable[[Edit], Path]) -> None:
    with pytest.raises(OptionError, match="which the model does not have"):
        quantized(mlp(), {"x": np.ones((4, 16), np.float32)}, recipe=edited(lambda fields: None))


def test_a_recipe_made_in_python_is_checked_too() -> None:
    recipe = Recipe("x86-vnni", tensors={"x": {"grid": "uint8", "symmetric": "no", "estimator": "mse"}})
    with pytest.raises(OptionError, match="the symmetric of tensor 'x'"):
        quantized(conv_relu(), recipe=recipe)


ALIAS_BOMB = "\n".join(["a0: &a0 [lol]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30))])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not an Octavo recipe of version 1"),
        ("- 1", "is not an Octavo recipe"),
        ("octavo_recipe: 2\ntarget: octavo", "is not an Octavo recipe of version 1"),
        ("a: [b", "is not valid YAML"),
        ("a: \x01", "is not valid YAML"),
        ("a: 2020-13-45", "is not valid YAML"),
        ("a: " + "9" * 5000, "is not valid YAML"),
        ("[" * 100_000, "is not valid YAML"),
        ('!!python/object/apply:os.system ["true"]', "is not valid YAML"),
        (f"octavo_recipe: 1\n{ALIAS_BOMB}", "has an unknown field 'a0'"),
        (f"octavo_recipe: 1\nseed: &s 0\ntarget: *s\n{ALIAS_BOMB}", "has an unknown field 'a0'"),
        (f"octavo_recipe: 1\ntarget:\n  {ALIAS_BOMB}".replace("\na", "\n  a"), "the target is not a string"),
    ],
    ids=range(12),
)
def test_an_invalid_file_gives_one_short_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OptionError, match=sentence) as raised:
        read_recipe(path)
    assert len(str(raised.value)) < 400 + len(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_the_error_names_an_unreadable_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "recipe.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OptionError, match=str(path)):
        read_recipe(path)
