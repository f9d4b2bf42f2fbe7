"""Preparing a model changes its nodes but never what it computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tests.helpers import models
from tests.helpers.models import PATTERNS, STEPS, Arrays, Shape, build, chain, feeds, node, random, run

from octavo.errors import ModelError
from octavo.graph import prepare

IMAGE: dict[str, Shape] = {"x": [1, 4, 6, 6]}
SAME: dict[str, Shape] = {"y": [1, 6, 6, 6]}
ROWS: dict[str, Shape] = {"x": ["N", 8]}
POINT = {"w": random(6, 4, 1, 1), "b": random(6)}
LEGACY_OPSETS = [7, 8, 9, 10, 11, 12]
# Opsets newer than the oldest that prepare leaves as it is.
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
    "idle": ["Conv", "Conv"],
    "middle_output": ["Conv", "BatchNormalization", "Relu"],
    "if_subgraph": ["Conv", "If", "Conv"],
    "local_function": ["Gemm", "Relu", "Gemm", "Relu"],
    "attention": ["MatMul", "MatMul", "MatMul", "Transpose", "MatMul", "Softmax", "MatMul"],
}


def _prepared(model: onnx.ModelProto, *, tolerance: float = 1e-5) -> onnx.ModelProto:
    """The prepared model, after checks that it is valid and computes what it did."""
    found = ir.to_proto(prepare(ir.from_proto(model)))
    onnx.checker.check_model(found, full_check=True)
    for seed in range(2):
        inputs = feeds(model, seed)
        expected, given = run(model, inputs), run(found, inputs)
        assert list(expected) == list(given)
        for name, values in expected.items():
            assert values.dtype == given[name].dtype
            assert values.shape == given[name].shape
            np.testing.assert_allclose(given[name], values, rtol=tolerance, atol=tolerance)
    return found


def _ops(model: onnx.ModelProto) -> list[str]:
    return [n.op_type for n in model.graph.node]


def _chain(
    nodes: Sequence[onnx.NodeProto],
    weights: Arrays,
    inputs: dict[str, Shape] | None = None,
    outputs: dict[str, Shape] | None = None,
) -> list[str]:
    """What is left of the operators of a model of these nodes."""
    return _ops(_prepared(build(nodes, inputs or IMAGE, outputs or SAME, weights)))


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_computes_the_same(name: str) -> None:
    model = PATTERNS[name]()
    found = _prepared(model)
    assert _ops(found) == FOLDED.get(name, _ops(model))
    assert all(n.name for n in found.graph.node)


@pytest.mark.parametrize("name", PATTERNS)
def test_the_original_stays_as_it_was(name: str) -> None:
    model = ir.from_proto(PATTERNS[name]())
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    prepare(model)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("name", PATTERNS)
def test_preparing_twice_changes_nothing_more(name: str) -> None:
    once = prepare(ir.from_proto(PATTERNS[name]()))
    twice = ir.to_proto(prepare(once))
    assert _ops(twice) == _ops(ir.to_proto(once))
    assert [n.name for n in twice.graph.node] == [n.name for n in ir.to_proto(once).graph.node]


@pytest.mark.parametrize("name", PATTERNS)
def test_inputs_outputs_and_metadata_stay(name: str) -> None:
    model = PATTERNS[name]()
    model.doc_string, model.model_version = "a model", 7
    helper.set_model_props(model, {"author": "somebody", "labels": "a,b"})
    found = ir.to_proto(prepare(ir.from_proto(model)))
    constants = {tensor.name for tensor in model.graph.initializer}
    assert list(found.graph.input) == [v for v in model.graph.input if v.name not in constants]
    assert list(found.graph.output) == list(model.graph.output)
    assert [(p.key, p.value) for p in found.metadata_props] == [("author", "somebody"), ("labels", "a,b")]
    assert (found.doc_string, found.model_version, found.producer_name) == ("a model", 7, "tests")
    assert found.graph.name == "graph"
    assert not found.functions


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
    found = _prepared(model)
    assert _ops(found) == ["Conv", "Clip", "MaxPool", "GlobalAveragePool", "Squeeze", "Gemm", "Softmax"]
    assert [(o.domain, o.version) for o in found.opset_import] == [("", 13)]
    assert list(found.graph.input) == list(model.graph.input)
    assert list(found.graph.output) == list(model.graph.output)
    assert [(p.key, p.value) for p in found.metadata_props] == [("author", "somebody")]
    assert found.producer_name == "tests"


@pytest.mark.parametrize("opset", [7, 9, 11, 12, 13, 17, 21])
@pytest.mark.parametrize("pattern", [models.conv_relu, models.mlp, models.linear, models.initializer_as_input])
def test_plain_models_of_every_opset(pattern: object, opset: int) -> None:
    assert callable(pattern)
    model = pattern(opset)
    found = _prepared(model)
    assert _ops(found) == _ops(model)
    assert found.opset_import[0].version == max(opset, 13)


def test_files_of_the_first_version_are_converted() -> None:
    """They list every weight as an input, which newer versions need not."""
    model = models.conv_relu(7)
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    onnx.checker.check_model(model)
    found = _prepared(model)
    assert [v.name for v in found.graph.input] == ["x"]


@pytest.mark.parametrize("opset", OPSETS)
def test_new_opsets_stay(opset: int) -> None:
    found = _prepared(models.conv_batch_norm(opset=opset))
    assert _ops(found) == ["Conv", "Relu"]
    assert found.opset_import[0].version == opset


def test_the_long_name_of_onnx_is_its_short_one() -> None:
    model = models.conv_relu()
    model.opset_import[0].domain = "ai.onnx"
    found = ir.to_proto(prepare(ir.from_proto(model)))
    assert [o.domain for o in found.opset_import] == [""]


def test_an_opset_that_cannot_be_converted() -> None:
    model = models.conv_relu(7)
    model.graph.node[1].op_type = "Upsample"
    with pytest.raises(ModelError, match="opset 7 cannot be converted") as caught:
        prepare(ir.from_proto(model))
    assert "\n" not in str(caught.value)


# Folding into layers: when it must not be done


def test_a_layer_with_another_reader_is_left_alone() -> None:
    weights = {**POINT, **models.batch_norm_weights(6)}
    norm = node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], "n")
    nodes = [node("Conv", ["x", "w", "b"], "c"), norm, node("Add", ["n", "c"], "y")]
    assert _chain(nodes, weights) == ["Conv", "BatchNormalization", "Add"]


def test_a_layer_read_by_a_subgraph_too_is_left_alone() -> None:
    model = models.if_subgraph()
    for branch in model.graph.node[2].attribute:
        branch.g.node[0].input[1] = "c"
    assert _ops(_prepared(model)) == ["Conv", "BatchNormalization", "If", "Conv"]


def test_shared_weights_are_not_changed_for_the_other_layer() -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], "c"),
        node("Mul", ["c", "m"], "n"),
        node("Conv", ["x", "w", "b"], "d"),
        node("Add", ["n", "d"], "y"),
    ]
    assert _chain(nodes, {**POINT, "m": 1.0 + random(6, 1, 1)}) == ["Conv", "Conv", "Add"]


def test_a_factor_shared_by_two_layers() -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], "c"),
        node("Mul", ["c", "m"], "n"),
        node("Conv", ["x", "v"], "d"),
        node("Mul", ["m", "d"], "e"),
        node("Add", ["n", "e"], "y"),
    ]
    weights = {**POINT, "v": random(6, 4, 1, 1, seed=1), "m": 1.0 + random(6, 1, 1)}
    assert _chain(nodes, weights) == ["Conv", "Conv", "Add"]


def test_a_bias_that_another_node_computes() -> None:
    nodes = [
        node("Relu", ["z"], "b"),
        node("Conv", ["x", "w", "b"], "c"),
        node("Mul", ["c", "m"], "y"),
    ]
    weights = {"w": POINT["w"], "m": 1.0 + random(6, 1, 1)}
    assert _chain(nodes, weights, {**IMAGE, "z": [6]}) == ["Relu", "Conv", "Mul"]


def test_weights_that_another_node_computes() -> None:
    nodes = [node("Relu", ["z"], "w"), node("Conv", ["x", "w"], "c"), node("Mul", ["c", "m"], "y")]
    found = _chain(nodes, {"m": 1.0 + random(6, 1, 1)}, {**IMAGE, "z": [6, 4, 1, 1]})
    assert found == ["Relu", "Conv", "Mul"]


@pytest.mark.parametrize(
    "shape",
    [(6,), (1, 6), (6, 1), (6, 6), (1, 1, 6, 1), (6, 6, 6), (2, 6, 1, 1), (1, 1, 6, 1, 1)],
    ids=str,
)
@pytest.mark.parametrize("op", ["Mul", "Add"])
def test_constants_that_vary_along_other_axes(shape: tuple[int, ...], op: str) -> None:
    output = {"y": [1] * (len(shape) == 5) + [shape[0] if len(shape) == 4 else 1, 6, 6, 6]}
    weights = {**POINT, "m": random(*shape)}
    assert _chain([node("Conv", ["x", "w", "b"], "c"), node(op, ["c", "m"], "y")], weights, None, output) == [
        "Conv",
        op,
    ]


def test_a_constant_that_adds_channels() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Mul", ["c", "m"], "y")]
    weights = {"w": random(1, 4, 1, 1), "m": random(6, 1, 1)}
    assert _chain(nodes, weights) == ["Conv", "Mul"]


def test_a_constant_that_adds_an_axis_to_a_vector() -> None:
    nodes = [node("MatMul", ["x", "w"], "m"), node("Mul", ["m", "f"], "y")]
    weights = {"w": random(8, 6), "f": random(1, 6)}
    assert _chain(nodes, weights, {"x": [8]}, {"y": [1, 6]}) == ["MatMul", "Mul"]


@pytest.mark.parametrize("op", ["Sub", "Div"])
def test_a_constant_from_which_the_layer_is_taken(op: str) -> None:
    nodes = [node("Conv", ["x", "w", "b"], "c"), node(op, ["m", "c"], "y")]
    assert _chain(nodes, {**POINT, "m": 1.0 + random(6, 1, 1)}) == ["Conv", op]


def test_division_by_zero() -> None:
    nodes = [node("Conv", ["x", "w", "b"], "c"), node("Div", ["c", "m"], "y")]
    assert _chain(nodes, {**POINT, "m": np.array([[[0.0]]] * 6, np.float32)}) == ["Conv", "Div"]


def test_two_results_multiplied() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Conv", ["x", "w", "b"], "d"), node("Mul", ["c", "d"], "y")]
    assert _chain(nodes, POINT) == ["Conv", "Conv", "Mul"]


def test_a_result_multiplied_by_itself() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Mul", ["c", "c"], "y")]
    assert _chain(nodes, POINT) == ["Conv", "Mul"]


def test_batch_norm_in_training() -> None:
    model = models.conv_batch_norm()
    del model.graph.node[2]
    norm = model.graph.node[1]
    norm.output[:] = ["y", "mean_out", "var_out"]
    norm.attribute.append(helper.make_attribute("training_mode", 1))
    assert _ops(ir.to_proto(prepare(ir.from_proto(model)))) == ["Conv", "BatchNormalization"]


def test_batch_norm_of_computed_statistics() -> None:
    nodes = [
        node("Relu", ["z"], "mean"),
        node("Conv", ["x", "w", "b"], "c"),
        node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], "y"),
    ]
    weights = {**POINT, **models.batch_norm_weights(6)}
    del weights["mean"]
    assert _chain(nodes, weights, {**IMAGE, "z": [6]}) == ["Relu", "Conv", "BatchNormalization"]


def test_double_precision_is_left_alone() -> None:
    nodes = [node("MatMul", ["x", "w"], "c"), node("Mul", ["c", "m"], "y")]
    double = TensorProto.DOUBLE
    weights = {"w": random(8, 6).astype(np.float64), "m": random(6).astype(np.float64)}
    model = build(nodes, ROWS, {"y": ["N", 6]}, weights, input_types={"x": double}, output_types={"y": double})
    assert _ops(_prepared(model)) == ["MatMul", "Mul"]


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_grouped_transposed_convolutions_fold(groups: int) -> None:
    nodes = [
        node("ConvTranspose", ["x", "w"], "c", group=groups),
        node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], "y"),
    ]
    weights = {"w": random(6, 6 // groups, 2, 2), **models.batch_norm_weights(6)}
    assert _chain(nodes, weights, {"x": [1, 6, 5, 5]}) == ["ConvTranspose"]


@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize("bias", [(6,), (1, 6), (1,), (), None], ids=str)
def test_gemms_with_every_bias_fold(transposed: bool, bias: tuple[int, ...] | None) -> None:
    inputs = ["x", "w"] if bias is None else ["x", "w", "b"]
    nodes = [
        node("Gemm", inputs, "g", transB=int(transposed)),
        node("Mul", ["g", "m"], "h"),
        node("Add", ["h", "m"], "y"),
    ]
    weights = {"w": random(*((6, 8) if transposed else (8, 6))), "m": random(6)}
    if bias is not None:
        weights["b"] = random(*bias)
    assert _chain(nodes, weights, ROWS, {"y": ["N", 6]}) == ["Gemm"]


def test_a_gemm_with_a_bias_for_every_row() -> None:
    nodes = [node("Gemm", ["x", "w", "b"], "g"), node("Mul", ["g", "m"], "y")]
    weights = {"w": random(8, 6), "b": random(6, 1), "m": random(6)}
    assert _chain(nodes, weights, {"x": [6, 8]}, {"y": [6, 6]}) == ["Gemm", "Mul"]


def test_a_scaled_gemm_with_a_computed_bias() -> None:
    nodes = [node("Gemm", ["x", "w", "z"], "g", alpha=0.5, beta=2.0), node("Mul", ["g", "m"], "y")]
    found = _prepared(build(nodes, {**ROWS, "z": [6]}, {"y": ["N", 6]}, {"w": random(8, 6), "m": random(6)}))
    assert _ops(found) == ["Gemm", "Mul"]
    assert [a.name for a in found.graph.node[0].attribute] == ["beta"]


def test_a_gemm_without_bias_forgets_its_beta() -> None:
    nodes = [node("Gemm", ["x", "w"], "g", beta=2.0), node("Mul", ["g", "m"], "y")]
    assert _chain(nodes, {"w": random(8, 6), "m": random(6)}, ROWS, {"y": ["N", 6]}) == ["Gemm"]


# MatMul and Add


def test_a_product_that_is_an_output_keeps_its_name() -> None:
    model = models.matmul_bias()
    model.graph.output.append(helper.make_tensor_value_info("m", TensorProto.FLOAT, ["N", 12]))
    assert _ops(_prepared(model)) == ["MatMul", "Add"]


@pytest.mark.parametrize("shape", [(1, 1, 12), (3, 12), (), (1,), (3, 1)], ids=str)
def test_biases_that_gemm_does_not_take(shape: tuple[int, ...]) -> None:
    nodes = [node("MatMul", ["x", "w"], "m"), node("Add", ["m", "b"], "y")]
    output: dict[str, Shape] = {"y": [1, 3, 12] if len(shape) == 3 else [3, 12]}
    weights = {"w": random(8, 12), "b": random(*shape)}
    assert _chain(nodes, weights, {"x": [3, 8]}, output) == ["MatMul", "Add"]


def test_a_flat_bias_of_two_axes() -> None:
    nodes = [node("MatMul", ["x", "w"], "m"), node("Add", ["m", "b"], "y")]
    assert _chain(nodes, {"w": random(8, 6), "b": random(1, 6)}, ROWS, {"y": ["N", 6]}) == ["Gemm"]


def test_a_bias_that_is_an_input() -> None:
    nodes = [node("MatMul", ["x", "w"], "m"), node("Add", ["m", "z"], "y")]
    found = _chain(nodes, {"w": random(8, 6)}, {**ROWS, "z": [6]}, {"y": ["N", 6]})
    assert found == ["MatMul", "Add"]


# Pad


@pytest.mark.parametrize(("mode", "fill"), [("reflect", 0.0), ("edge", 0.0), ("constant", 1.0)])
def test_pads_of_other_values(mode: str, fill: float) -> None:
    assert _ops(_prepared(models.pad_conv(mode, fill))) == ["Pad", "Conv"]


@pytest.mark.parametrize("pads", [[0, 1, 0, 0, 0, 0, 0, 0], [0, 0, -1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]])
def test_pads_of_other_axes_or_that_crop(pads: list[int]) -> None:
    channels, batch = 4 + pads[1], 1 + pads[0]
    nodes = [node("Pad", ["x", "pads"], "p"), node("Conv", ["p", "w"], "y")]
    weights = {"pads": np.array(pads, np.int64), "w": random(6, channels, 1, 1)}
    assert _chain(nodes, weights, IMAGE, {"y": [batch, 6, 6 + pads[2], 6 + pads[3]]}) == ["Pad", "Conv"]


@pytest.mark.parametrize(("auto_pad", "left"), [("SAME_UPPER", ["Pad", "Conv"]), ("VALID", ["Conv"])])
def test_a_pad_in_front_of_automatic_padding(auto_pad: str, left: list[str]) -> None:
    nodes = [node("Pad", ["x", "pads"], "p"), node("Conv", ["p", "w"], "y", auto_pad=auto_pad)]
    weights = {"pads": np.array([0, 0, 1, 0, 0, 0, 0, 1], np.int64), "w": random(6, 4, 2, 2)}
    size = 7 if auto_pad == "SAME_UPPER" else 6
    assert _chain(nodes, weights, None, {"y": [1, 6, size, size]}) == left


def test_a_pad_with_two_readers() -> None:
    nodes = [
        node("Pad", ["x", "pads"], "p"),
        node("Conv", ["p", "w"], "c"),
        node("Conv", ["p", "w"], "d"),
        node("Add", ["c", "d"], "y"),
    ]
    weights = {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), "w": random(6, 4, 3, 3)}
    assert _chain(nodes, weights) == ["Pad", "Conv", "Conv", "Add"]


def test_a_pad_of_axes() -> None:
    nodes = [node("Pad", ["x", "pads", "", "axes"], "p"), node("Conv", ["p", "w"], "y")]
    weights = {"pads": np.array([1, 1], np.int64), "axes": np.array([3], np.int64), "w": random(6, 4, 1, 3)}
    assert _ops(_prepared(build(nodes, IMAGE, SAME, weights, opset=18)))[-1] == "Conv"


def test_padded_weights_are_no_padded_input() -> None:
    nodes = [node("Pad", ["z", "pads"], "p"), node("Conv", ["x", "p"], "y")]
    pads = {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)}
    assert _chain(nodes, pads, {**IMAGE, "z": [6, 4, 1, 1]}, {"y": [1, 6, 4, 4]}) == ["Pad", "Conv"]


# Nodes that hand on what they are given, and nodes that only look so


def _mean(axes: list[int], keepdims: int, opset: int, rank: int = 4) -> onnx.ModelProto:
    shape = ["N", 4, *[6] * (rank - 2)]
    kept = [1 if i in (axis % rank for axis in axes) else d for i, d in enumerate(shape)]
    left = kept if keepdims else [d for i, d in enumerate(shape) if i not in [axis % rank for axis in axes]]
    given = {"axes": np.array(axes, np.int64)} if opset >= 18 else {}
    stated = {} if opset >= 18 else {"axes": axes}
    nodes = [node("Relu", ["x"], "r"), node("ReduceMean", ["r", *given], "y", keepdims=keepdims, **stated)]
    return build(nodes, {"x": shape}, {"y": left}, given, opset=opset)


@pytest.mark.parametrize("opset", [13, 17, 18, 21])
@pytest.mark.parametrize("axes", [[2, 3], [-1, -2]], ids=str)
def test_means_over_space_are_pools(axes: list[int], opset: int) -> None:
    kept, flat = (_prepared(_mean(axes, keepdims, opset)) for keepdims in (1, 0))
    assert [each.op_type for each in kept.graph.node] == ["Relu", "GlobalAveragePool"]
    assert [each.op_type for each in flat.graph.node] == ["Relu", "GlobalAveragePool", "Flatten"]


@pytest.mark.parametrize(("axes", "rank"), [([2], 4), ([1, 2], 4), ([1, 2, 3], 4), ([2], 3), ([-1], 3), ([0, 2, 3], 4)])
def test_other_means_stay(axes: list[int], rank: int) -> None:
    found = _prepared(_mean(axes, 1, 18, rank))
    assert [each.op_type for each in found.graph.node] == ["Relu", "ReduceMean"]


def test_means_over_space_in_three_dimensions() -> None:
    assert [each.op_type for each in _prepared(_mean([2, 3, 4], 1, 18, 5)).graph.node] == ["Relu", "GlobalAveragePool"]


@pytest.mark.parametrize("to", [TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT32])
def test_casts_that_change_the_type(to: int) -> None:
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Cast", ["c"], "d", to=to),
        node("Cast", ["d"], "y", to=TensorProto.FLOAT),
    ]
    assert _chain(nodes, POINT) == ["Conv", "Cast", "Cast"]


@pytest.mark.parametrize(("first", "second"), [([0, 2, 3, 1], [0, 2, 3, 1]), ([0, 1, 3, 2], [0, 2, 1, 3])])
def test_transposes_that_do_not_cancel(first: list[int], second: list[int]) -> None:
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Transpose", ["c"], "t", perm=first),
        node("Transpose", ["t"], "y", perm=second),
    ]
    assert _chain(nodes, POINT) == ["Conv", "Transpose", "Transpose"]


def test_transposes_that_cancel_with_another_reader_between() -> None:
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Transpose", ["c"], "t", perm=[0, 2, 3, 1]),
        node("Transpose", ["t"], "u", perm=[0, 3, 1, 2]),
        node("Relu", ["t"], "z"),
        node("Relu", ["u"], "y"),
    ]
    found = _chain(nodes, POINT, None, {**SAME, "z": [1, 6, 6, 6]})
    assert found == ["Conv", "Transpose", "Relu", "Relu"]


@pytest.mark.parametrize("op", ["Identity", "Dropout"])
def test_an_input_that_is_an_output(op: str) -> None:
    nodes = [node(op, ["x"], "z"), node("Conv", ["x", "w"], "y")]
    assert _chain(nodes, POINT, None, {"z": [1, 4, 6, 6], **SAME}) == [op, "Conv"]


def test_a_constant_that_is_an_output() -> None:
    nodes = [node("Identity", ["b"], "z"), node("Conv", ["x", "w", "b"], "y")]
    assert set(_chain(nodes, POINT, None, {"z": [6], **SAME})) >= {"Conv"}


def test_one_result_under_three_names() -> None:
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Identity", ["c"], "y"),
        node("Identity", ["y"], "z"),
        node("Identity", ["c"], "v"),
    ]
    found = _chain(nodes, POINT, None, {"z": [1, 6, 6, 6], **SAME, "v": [1, 6, 6, 6]})
    assert Counter(found) == {"Conv": 1, "Identity": 2}


def test_an_output_listed_twice() -> None:
    model = models.idle()
    model.graph.output.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, [1, 4, 4, 4]))
    assert _ops(_prepared(model))[0] == "Conv"


def test_a_dropout_whose_mask_is_read() -> None:
    drop = helper.make_node("Dropout", ["c"], ["y", "mask"], name="drop")
    model = build(
        [node("Conv", ["x", "w"], "c"), drop],
        IMAGE,
        {**SAME, "mask": [1, 6, 6, 6]},
        POINT,
        output_types={"mask": TensorProto.BOOL},
    )
    assert _ops(_prepared(model)) == ["Conv", "Dropout"]


@pytest.mark.parametrize(("training", "left"), [(True, ["Conv", "Dropout"]), (False, ["Conv"])])
def test_a_dropout_that_may_train(training: bool, left: list[str]) -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Dropout", ["c", "ratio", "training"], "y")]
    weights = {"w": POINT["w"], "ratio": models.ONE * 0, "training": np.array(training)}
    assert _chain(nodes, weights) == left


# Constants, names, functions, subgraphs


def test_what_depends_on_constants_only_is_computed() -> None:
    nodes = [
        node("Constant", [], "k", value=numpy_helper.from_array(random(6, 4))),
        node("Reshape", ["k", "shape"], "w"),
        node("Shape", ["x"], "s"),
        node("Conv", ["x", "w"], "c"),
        node("Reshape", ["c", "t"], "y"),
    ]
    weights = {"shape": np.array([6, 4, 1, 1], np.int64), "t": np.array([1, 6, 6, 6], np.int64)}
    assert _chain(nodes, weights) == ["Conv"]


def test_random_numbers_are_not_computed_once() -> None:
    nodes = [
        node("RandomNormalLike", ["w"], "n", seed=1.0),
        node("Mul", ["n", "zero"], "o"),
        node("Add", ["x", "o"], "y"),
    ]
    model = build(nodes, {"x": [6, 4, 1, 1]}, {"y": [6, 4, 1, 1]}, {"w": POINT["w"], "zero": models.ONE * 0})
    assert "RandomNormalLike" in _ops(_prepared(model))


def test_initializers_that_are_inputs_become_constants() -> None:
    found = _prepared(models.initializer_as_input())
    assert [v.name for v in found.graph.input] == ["x"]


def test_missing_and_double_names_are_given_and_kept() -> None:
    model = models.odd_names()
    model.graph.node[0].name = model.graph.node[1].name = "twin"
    found = ir.to_proto(prepare(ir.from_proto(model)))
    names = [n.name for n in found.graph.node]
    assert len(set(names)) == len(names)
    assert all(names)
    assert names[0] == "twin"
    assert names == [n.name for n in ir.to_proto(prepare(ir.from_proto(model))).graph.node]
    assert [v.name for v in found.graph.input] == ["in put/0:x"]
    assert [v.name for v in found.graph.output] == ["Ausgang/größe"]


def test_outputs_that_a_node_leaves_out_stay_out() -> None:
    lstm = helper.make_node("LSTM", ["x", "w", "r"], ["", "h"], name="lstm", hidden_size=4)
    nodes = [lstm, node("Squeeze", ["h", "axis"], "s"), node("MatMul", ["s", "v"], "y")]
    weights = {
        "w": random(1, 16, 3),
        "r": random(1, 16, 4),
        "v": random(4, 6),
        "axis": np.array([0], np.int64),
    }
    found = _prepared(build(nodes, {"x": [5, 2, 3]}, {"y": [2, 6]}, weights))
    assert list(found.graph.node[0].output) == ["", "h"]


def test_functions_are_inlined() -> None:
    found = _prepared(models.local_function())
    assert not found.functions
    assert [o.domain for o in found.opset_import] == [""]
    assert len({n.name for n in found.graph.node}) == 4


def test_captured_values_keep_their_names() -> None:
    found = _prepared(models.if_subgraph())
    branches = [a.g for a in found.graph.node[1].attribute]
    written = {name for n in found.graph.node for name in n.output} | {t.name for t in found.graph.initializer}
    assert all(name in written for branch in branches for n in branch.node for name in n.input)


def test_custom_operators_stay() -> None:
    model = models.conv_relu()
    model.graph.node[1].domain, model.graph.node[1].op_type = "com.someone", "Identity"
    model.opset_import.append(helper.make_opsetid("com.someone", 2))
    found = ir.to_proto(prepare(ir.from_proto(model)))
    assert [(n.domain, n.op_type) for n in found.graph.node] == [
        ("", "Conv"),
        ("com.someone", "Identity"),
        ("", "Conv"),
    ]
    assert {(o.domain, o.version) for o in found.opset_import} == {("", 17), ("com.someone", 2)}


def test_unknown_shapes() -> None:
    model = models.channel_arithmetic()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.ClearField("shape")
    prepared = ir.to_proto(prepare(ir.from_proto(model)))
    inputs = {"x": random(1, 4, 8, 8)}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    np.testing.assert_allclose(run(prepared, inputs)["y"], run(model, inputs)["y"], rtol=1e-5, atol=1e-5)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=8), st.sets(st.integers(1, 7), max_size=2))
def test_any_chain_computes_the_same(steps: list[str], outputs: set[int]) -> None:
    _prepared(chain(steps, outputs), tolerance=1e-4)
