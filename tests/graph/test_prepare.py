"""Preparing a model changes its nodes but not its outputs: patterns, opsets, constants, names and subgraphs."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from tests.helpers import models
from tests.helpers.models import PATTERNS, STEPS, Arrays, build, chain, node, random, run
from tests.helpers.preparation import POINT, op_types, prepared, prepared_ops

from octavo.errors import ModelError
from octavo.graph import prepare

LEGACY_OPSETS = [7, 8, 9, 10, 11, 12]
# Opsets that prepare keeps.
OPSETS = [13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]
FOLDED: dict[str, list[str]] = {
    "conv_batch_norm": ["Conv", "Relu"],
    "transposed_batch_norm": ["ConvTranspose"],
    "gemm_batch_norm": ["Gemm"],
    "batch_norm_alone": ["BatchNormalization", "Conv"],
    "scaled_gemm": ["Gemm"],
    "channel_arithmetic": ["Conv"],
    "pad_conv": ["Conv"],
    "matmul_bias": ["Gemm"],
    "linear": ["MatMul", "Add"],
    "idle": ["Conv", "Relu", "Conv"],
    "middle_output": ["Conv", "BatchNormalization", "Relu"],
    "if_subgraph": ["Conv", "If", "Conv"],
    "local_function": ["Gemm", "Relu", "Gemm", "Relu"],
    "attention": ["MatMul", "MatMul", "MatMul", "Transpose", "MatMul", "Softmax", "MatMul"],
}


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_computes_the_same(name: str) -> None:
    model = PATTERNS[name]()
    result = prepared(model)
    assert op_types(result) == FOLDED.get(name, op_types(model))
    assert all(n.name for n in result.graph.node)


@pytest.mark.parametrize("name", PATTERNS)
def test_the_original_is_not_modified(name: str) -> None:
    model = ir.from_proto(PATTERNS[name]())
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    prepare(model)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("name", PATTERNS)
def test_preparing_is_idempotent(name: str) -> None:
    once = prepare(ir.from_proto(PATTERNS[name]()))
    twice = ir.to_proto(prepare(once))
    assert op_types(twice) == op_types(ir.to_proto(once))
    assert [n.name for n in twice.graph.node] == [n.name for n in ir.to_proto(once).graph.node]


@pytest.mark.parametrize("name", PATTERNS)
def test_inputs_outputs_and_metadata_are_kept(name: str) -> None:
    model = PATTERNS[name]()
    model.doc_string, model.model_version = "a model", 7
    helper.set_model_props(model, {"author": "somebody", "labels": "a,b"})
    result = ir.to_proto(prepare(ir.from_proto(model)))
    constants = {tensor.name for tensor in model.graph.initializer}
    assert list(result.graph.input) == [v for v in model.graph.input if v.name not in constants]
    assert list(result.graph.output) == list(model.graph.output)
    assert [(p.key, p.value) for p in result.metadata_props] == [("author", "somebody"), ("labels", "a,b")]
    assert (result.doc_string, result.model_version, result.producer_name) == ("a model", 7, "tests")
    assert result.graph.name == "graph"
    assert not result.functions


# Opsets


def _legacy(opset: int) -> onnx.ModelProto:
    """Operators whose form changed between opsets 7 and 13, in the form of the opset."""
    new = opset >= 11
    pad = node("Pad", ["x", "pads"], "p") if new else node("Pad", ["x"], "p", pads=[0, 0, 1, 1, 0, 0, 1, 1])
    clip = node("Clip", ["n", "low", "high"], "k") if new else node("Clip", ["n"], "k", min=0.0, max=1.0)
    nodes = [
        pad,
        node("Conv", ["p", "w"], "c"),
        node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], "n"),
        clip,
        node("Dropout", ["k"], "d"),
        node("MaxPool", ["d"], "m", kernel_shape=[2, 2]),
        node("GlobalAveragePool", ["m"], "g"),
        node("Squeeze", ["g"], "s", axes=[2, 3]),
        node("Gemm", ["s", "v", "u"], "q"),
        node("Softmax", ["q"], "y", axis=1),
    ]
    weights: Arrays = {
        "w": random(6, 4, 3, 3),
        "v": random(6, 5),
        "u": random(5),
        **models.batch_norm_weights(6),
    }
    if new:
        weights |= {
            "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
            "low": models.ONE * 0,
            "high": models.ONE,
        }
    return build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 5]}, weights, opset=opset)


@pytest.mark.parametrize("opset", LEGACY_OPSETS)
def test_old_opsets_are_converted(opset: int) -> None:
    model = _legacy(opset)
    helper.set_model_props(model, {"author": "somebody"})
    result = prepared(model)
    assert op_types(result) == ["Conv", "Clip", "MaxPool", "GlobalAveragePool", "Squeeze", "Gemm", "Softmax"]
    assert [(o.domain, o.version) for o in result.opset_import] == [("", 13)]
    assert list(result.graph.input) == list(model.graph.input)
    assert list(result.graph.output) == list(model.graph.output)
    assert [(p.key, p.value) for p in result.metadata_props] == [("author", "somebody")]
    assert result.producer_name == "tests"


@pytest.mark.parametrize("opset", [7, 9, 11, 12, 13, 17, 21])
@pytest.mark.parametrize("pattern", [models.conv_relu, models.mlp, models.linear, models.initializer_as_input])
def test_plain_models_of_every_opset(pattern: object, opset: int) -> None:
    assert callable(pattern)
    model = pattern(opset)
    result = prepared(model)
    assert op_types(result) == op_types(model)
    assert result.opset_import[0].version == max(opset, 13)


def test_files_of_ir_version_3_are_converted() -> None:
    """IR version 3 requires every initializer to be a graph input; newer versions do not."""
    model = models.conv_relu(7)
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    onnx.checker.check_model(model)
    result = prepared(model)
    assert [v.name for v in result.graph.input] == ["x"]


@pytest.mark.parametrize("opset", OPSETS)
def test_new_opsets_are_kept(opset: int) -> None:
    result = prepared(models.conv_batch_norm(opset=opset))
    assert op_types(result) == ["Conv", "Relu"]
    assert result.opset_import[0].version == opset


def test_the_domain_ai_onnx_is_the_default_domain() -> None:
    model = models.conv_relu()
    model.opset_import[0].domain = "ai.onnx"
    result = ir.to_proto(prepare(ir.from_proto(model)))
    assert [o.domain for o in result.opset_import] == [""]


def test_an_opset_that_cannot_be_converted_is_refused() -> None:
    model = models.conv_relu(7)
    model.graph.node[1].op_type = "Upsample"
    with pytest.raises(ModelError, match="opset 7 cannot be converted") as caught:
        prepare(ir.from_proto(model))
    assert "\n" not in str(caught.value)


# Constants, names, functions, subgraphs


def test_constant_expressions_are_folded() -> None:
    nodes = [
        node("Constant", [], "k", value=numpy_helper.from_array(random(6, 4))),
        node("Reshape", ["k", "shape"], "w"),
        node("Shape", ["x"], "s"),
        node("Conv", ["x", "w"], "c"),
        node("Reshape", ["c", "t"], "y"),
    ]
    weights = {"shape": np.array([6, 4, 1, 1], np.int64), "t": np.array([1, 6, 6, 6], np.int64)}
    assert prepared_ops(nodes, weights) == ["Conv"]


def test_random_operators_are_not_folded() -> None:
    nodes = [
        node("RandomNormalLike", ["w"], "n", seed=1.0),
        node("Mul", ["n", "zero"], "o"),
        node("Add", ["x", "o"], "y"),
    ]
    model = build(nodes, {"x": [6, 4, 1, 1]}, {"y": [6, 4, 1, 1]}, {"w": POINT["w"], "zero": models.ONE * 0})
    assert "RandomNormalLike" in op_types(prepared(model))


def test_initializers_that_are_inputs_become_constants() -> None:
    result = prepared(models.initializer_as_input())
    assert [v.name for v in result.graph.input] == ["x"]


def test_missing_and_duplicate_node_names_are_made_unique() -> None:
    model = models.odd_names()
    model.graph.node[0].name = model.graph.node[1].name = "twin"
    result = ir.to_proto(prepare(ir.from_proto(model)))
    names = [n.name for n in result.graph.node]
    assert len(set(names)) == len(names)
    assert all(names)
    assert names[0] == "twin"
    assert names == [n.name for n in ir.to_proto(prepare(ir.from_proto(model))).graph.node]
    assert [v.name for v in result.graph.input] == ["in put/0:x"]
    assert [v.name for v in result.graph.output] == ["Ausgang/größe"]


def test_omitted_node_outputs_stay_omitted() -> None:
    lstm = helper.make_node("LSTM", ["x", "w", "r"], ["", "h"], name="lstm", hidden_size=4)
    nodes = [lstm, node("Squeeze", ["h", "axis"], "s"), node("MatMul", ["s", "v"], "y")]
    weights = {
        "w": random(1, 16, 3),
        "r": random(1, 16, 4),
        "v": random(4, 6),
        "axis": np.array([0], np.int64),
    }
    result = prepared(build(nodes, {"x": [5, 2, 3]}, {"y": [2, 6]}, weights))
    assert list(result.graph.node[0].output) == ["", "h"]


def test_functions_are_inlined() -> None:
    result = prepared(models.local_function())
    assert not result.functions
    assert [o.domain for o in result.opset_import] == [""]
    assert len({n.name for n in result.graph.node}) == 4


def test_values_captured_by_subgraphs_keep_their_names() -> None:
    result = prepared(models.if_subgraph())
    branches = [a.g for a in result.graph.node[1].attribute]
    defined = {name for n in result.graph.node for name in n.output} | {t.name for t in result.graph.initializer}
    assert all(name in defined for branch in branches for n in branch.node for name in n.input)


def test_custom_operators_are_kept() -> None:
    model = models.conv_relu()
    model.graph.node[1].domain, model.graph.node[1].op_type = "com.someone", "Identity"
    model.opset_import.append(helper.make_opsetid("com.someone", 2))
    result = ir.to_proto(prepare(ir.from_proto(model)))
    assert [(n.domain, n.op_type) for n in result.graph.node] == [
        ("", "Conv"),
        ("com.someone", "Identity"),
        ("", "Conv"),
    ]
    assert {(o.domain, o.version) for o in result.opset_import} == {("", 17), ("com.someone", 2)}


def test_models_without_shapes_compute_the_same() -> None:
    model = models.channel_arithmetic()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.ClearField("shape")
    result = ir.to_proto(prepare(ir.from_proto(model)))
    inputs = {"x": random(1, 4, 8, 8)}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    np.testing.assert_allclose(run(result, inputs)["y"], run(model, inputs)["y"], rtol=1e-5, atol=1e-5)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=8), st.sets(st.integers(1, 7), max_size=2))
def test_any_chain_computes_the_same(steps: list[str], outputs: set[int]) -> None:
    prepared(chain(steps, outputs), tolerance=1e-4)
