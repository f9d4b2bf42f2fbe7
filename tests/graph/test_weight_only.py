"""Weight-only quantization to 4 bits in blocks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import numpy_helper
from tests.helpers import models
from tests.helpers.models import build, feeds, node, random, run
from tests.helpers.plain_quantization import Quantized, quantized
from tests.helpers.states import state

import octavo
from octavo.affine import dequantize
from octavo.errors import OptionError, TargetError
from octavo.graph import model_bytes
from octavo.graph.preflight import violations
from octavo.pipeline.recipe import Recipe, read_recipe
from octavo.targets import target

NAME = "weight-only-int4"
WITH_WEIGHTS = ["mlp", "linear", "matmul_bias", "attention", "gemm_batch_norm", "scaled_gemm", "layer_norm"]


@pytest.fixture(scope="module", params=sorted(models.PATTERNS))
def case(request: pytest.FixtureRequest) -> Quantized:
    return quantized(models.PATTERNS[request.param](), NAME)


def test_models_are_valid_follow_the_target_and_have_no_quantizelinear(case: Quantized) -> None:
    onnx.checker.check_model(case.proto, full_check=True)
    assert list(violations(case.result, case.plan.target)) == []
    assert "QuantizeLinear" not in {n.op_type for n in case.proto.graph.node}
    assert not case.plan.sources


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_the_outputs_equal_those_of_the_dequantized_blocks(name: str) -> None:
    case = quantized(models.PATTERNS[name](), NAME)
    assert case.constants
    hat = case.prepared.clone()
    nodes = {n.name: n for n in hat.graph}
    for (layer, index), quantized_weight in case.constants.items():
        value = nodes[layer].inputs[index]
        assert value is not None
        value.const_value = ir.tensor(dequantize(quantized_weight.integers, quantized_weight.params), name=value.name)
    inputs = feeds(case.model)
    for key, values in run(ir.to_proto(hat), inputs).items():
        np.testing.assert_allclose(run(case.proto, inputs)[key], values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("rows", "block"), [(64, 32), (50, 16), (7, 32), (1, 16), (129, 128)])
def test_each_block_has_a_scale_and_an_error_of_at_most_half_a_step(rows: int, block: int) -> None:
    weight = random(rows, 6) * np.linspace(0.1, 9, rows, dtype=np.float32)[:, None]
    model = build([node("MatMul", ["x", "w"], "y")], {"x": ["N", rows]}, {"y": ["N", 6]}, {"w": weight})
    case = quantized(model, target(NAME).with_block_size(block))
    stored_weight = case.constants["matmul_y", 1]
    assert stored_weight.params.scale.shape == (-(-rows // block), 6)
    scale = np.repeat(stored_weight.params.scale, block, axis=0)[:rows]
    assert (np.abs(dequantize(stored_weight.integers, stored_weight.params) - weight) <= scale / 2 * 1.001).all()
    stored = {t.name: t for t in case.proto.graph.initializer}
    assert stored["w_quantized"].data_type == onnx.TensorProto.INT4
    assert np.array_equal(numpy_helper.to_array(stored["w_quantized"]).astype(np.int8), stored_weight.integers)
    (pair,) = [n for n in case.proto.graph.node if n.op_type == "DequantizeLinear"]
    assert {a.name: a.i for a in pair.attribute} == {"axis": 0, "block_size": block}
    assert case.proto.opset_import[0].version == 21


def test_gemm_has_blocks_along_k() -> None:
    model = build([node("Gemm", ["x", "w"], "y", transB=1)], {"x": ["N", 40]}, {"y": ["N", 6]}, {"w": random(6, 40)})
    assert quantized(model, NAME).constants["gemm_y", 1].params.scale.shape == (6, 2)


def test_onnx_runtime_runs_them_as_one_operator(tmp_path: Path) -> None:
    model = build([node("MatMul", ["x", "w"], "y")], {"x": ["N", 64]}, {"y": ["N", 32]}, {"w": random(64, 32)})
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "seen.onnx"), 4
    onnxruntime.InferenceSession(quantized(model, NAME).proto.SerializeToString(), options)
    assert [n.op_type for n in onnx.load(tmp_path / "seen.onnx").graph.node] == ["MatMulNBits"]


def test_products_of_two_activations_and_weights_in_front_stay_in_float() -> None:
    plan = quantized(models.attention(), NAME).plan
    assert any("no weights to store" in left.why for left in plan.left_float if left.op == "MatMul")
    assert not quantized(models.weights_first(), NAME).plan.layers


def linear() -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """A MatMul with correlated inputs, so that rounding one weight can compensate the error of another."""
    model = build([node("MatMul", ["x", "w"], "y")], {"x": ["N", 48]}, {"y": ["N", 8]}, {"w": random(48, 8)})
    rng = np.random.default_rng(0)
    return model, {"x": (rng.normal(size=(256, 6)) @ rng.normal(size=(6, 48))).astype(np.float32)}


@pytest.mark.parametrize("rung", ["round", "reconstruct"])
def test_rounding_by_output_error_works_for_blocks(rung: str) -> None:
    if rung == "reconstruct":
        pytest.importorskip("torch")
    model, samples = linear()
    calibration, unseen = {"x": samples["x"][:192]}, {"x": samples["x"][192:]}
    expected = run(model, unseen)["y"]
    errors = []
    for rungs in ("none", rung):
        result = octavo.quantize(model, calibration, NAME, rungs=rungs, verify=False)
        errors.append(np.square(run(ir.to_proto(result.model), unseen)["y"] - expected).sum())
    assert errors[1] < 0.2 * errors[0]


def test_a_recipe_keeps_the_block_size(tmp_path: Path) -> None:
    model, samples = linear()
    result = octavo.quantize(model, samples, NAME, block_size=16, verify=False)
    result.recipe.write(tmp_path / "recipe.yaml")
    repeated = octavo.quantize(model, samples, recipe=tmp_path / "recipe.yaml", verify=False)
    assert ir.to_proto(repeated.model).SerializeToString() == ir.to_proto(result.model).SerializeToString()
    assert read_recipe(tmp_path / "recipe.yaml").weights["matmul_y"][1]["block_size"] == 16


def test_a_recipe_with_blocks_does_not_fit_another_target() -> None:
    weights = {"matmul_y": {1: {"grid": "int8[-127,127]", "axis": 1, "block_size": 16}}}
    model, samples = linear()
    with pytest.raises(OptionError, match="block_size 16 for weights of 'matmul_y', which accept no block_size"):
        octavo.quantize(model, samples, "octavo", recipe=Recipe("octavo", weights=weights), verify=False)


def test_a_block_size_is_refused_for_targets_without_blocks() -> None:
    with pytest.raises(TargetError, match="x86-vnni has no blocks of weights"):
        target("x86-vnni").with_block_size(32)


@pytest.mark.parametrize("size", [0, 8, 24, -16])
def test_block_sizes_that_engines_do_not_support(size: int) -> None:
    with pytest.raises(TargetError, match="use 16, 32"):
        target(NAME).with_block_size(size)


def test_blocks_in_a_model_break_the_rules_of_other_targets() -> None:
    case = quantized(linear()[0], NAME)
    messages = list(violations(case.result, replace(target("octavo"), opset=13)))
    assert any("blocked scales" in message for message in messages)


@pytest.mark.parametrize("transposed", [True, False])
def test_a_tied_embedding_is_stored_once_in_float(transposed: bool) -> None:
    product = node("MatMul", ["h", "et"], "y") if transposed else node("Gemm", ["h", "emb"], "y", transB=1)
    nodes = [
        node("Gather", ["emb", "ids"], "x"),
        node("MatMul", ["x", "w"], "h"),
        *([node("Transpose", ["emb"], "et")] if transposed else []),
        product,
    ]
    weights = {"emb": random(512, 32), "w": random(32, 32)}
    proto = build(nodes, {"ids": ["N"]}, {"y": ["N", 512]}, weights, input_types={"ids": onnx.TensorProto.INT64})
    plain = state(proto, {"ids": np.arange(16)}, target("weight-only-int4"))
    assert "matmul_h" in plain.plan.layers
    assert product.name not in plain.plan.layers
    reason = next(left.why for left in plain.plan.left_float if left.name == product.name)
    assert reason == "Gather 'gather_x' reads its weights in float, so a quantized copy would add to the file"
    assert model_bytes(plain.quantized) < len(proto.SerializeToString())
