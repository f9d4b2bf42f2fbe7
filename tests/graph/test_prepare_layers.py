"""Preparing a model: which nodes are folded into layers, fused or removed, and which must stay."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from tests.helpers import models
from tests.helpers.models import Shape, build, node, random
from tests.helpers.preparation import IMAGE, POINT, ROWS, SAME, op_types, prepared, prepared_ops

from octavo.graph import prepare

# Patterns that must not be folded into a layer


def test_a_layer_with_another_reader_is_not_folded() -> None:
    weights = {**POINT, **models.batch_norm_weights(6)}
    norm = node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], "n")
    nodes = [node("Conv", ["x", "w", "b"], "c"), norm, node("Add", ["n", "c"], "y")]
    assert prepared_ops(nodes, weights) == ["Conv", "BatchNormalization", "Add"]


def test_a_layer_read_by_a_subgraph_is_not_folded() -> None:
    model = models.if_subgraph()
    for branch in model.graph.node[2].attribute:
        branch.g.node[0].input[1] = "c"
    assert op_types(prepared(model)) == ["Conv", "BatchNormalization", "If", "Conv"]


def test_shared_weights_are_not_changed_for_the_other_layer() -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], "c"),
        node("Mul", ["c", "m"], "n"),
        node("Conv", ["x", "w", "b"], "d"),
        node("Add", ["n", "d"], "y"),
    ]
    assert prepared_ops(nodes, {**POINT, "m": 1.0 + random(6, 1, 1)}) == ["Conv", "Conv", "Add"]


def test_a_factor_shared_by_two_layers_is_folded_into_both() -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], "c"),
        node("Mul", ["c", "m"], "n"),
        node("Conv", ["x", "v"], "d"),
        node("Mul", ["m", "d"], "e"),
        node("Add", ["n", "e"], "y"),
    ]
    weights = {**POINT, "v": random(6, 4, 1, 1, seed=1), "m": 1.0 + random(6, 1, 1)}
    assert prepared_ops(nodes, weights) == ["Conv", "Conv", "Add"]


def test_a_layer_with_a_computed_bias_is_not_folded() -> None:
    nodes = [
        node("Relu", ["z"], "b"),
        node("Conv", ["x", "w", "b"], "c"),
        node("Mul", ["c", "m"], "y"),
    ]
    weights = {"w": POINT["w"], "m": 1.0 + random(6, 1, 1)}
    assert prepared_ops(nodes, weights, {**IMAGE, "z": [6]}) == ["Relu", "Conv", "Mul"]


def test_a_layer_with_computed_weights_is_not_folded() -> None:
    nodes = [node("Relu", ["z"], "w"), node("Conv", ["x", "w"], "c"), node("Mul", ["c", "m"], "y")]
    result = prepared_ops(nodes, {"m": 1.0 + random(6, 1, 1)}, {**IMAGE, "z": [6, 4, 1, 1]})
    assert result == ["Relu", "Conv", "Mul"]


@pytest.mark.parametrize(
    "shape",
    [(6,), (1, 6), (6, 1), (6, 6), (1, 1, 6, 1), (6, 6, 6), (2, 6, 1, 1), (1, 1, 6, 1, 1)],
    ids=str,
)
@pytest.mark.parametrize("op", ["Mul", "Add"])
def test_constants_that_vary_along_other_axes_are_not_folded(shape: tuple[int, ...], op: str) -> None:
    output = {"y": [1] * (len(shape) == 5) + [shape[0] if len(shape) == 4 else 1, 6, 6, 6]}
    weights = {**POINT, "m": random(*shape)}
    assert prepared_ops([node("Conv", ["x", "w", "b"], "c"), node(op, ["c", "m"], "y")], weights, None, output) == [
        "Conv",
        op,
    ]


def test_a_constant_that_adds_channels_is_not_folded() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Mul", ["c", "m"], "y")]
    weights = {"w": random(1, 4, 1, 1), "m": random(6, 1, 1)}
    assert prepared_ops(nodes, weights) == ["Conv", "Mul"]


def test_a_constant_that_adds_an_axis_to_a_vector_is_not_folded() -> None:
    nodes = [node("MatMul", ["x", "w"], "m"), node("Mul", ["m", "f"], "y")]
    weights = {"w": random(8, 6), "f": random(1, 6)}
    assert prepared_ops(nodes, weights, {"x": [8]}, {"y": [1, 6]}) == ["MatMul", "Mul"]


@pytest.mark.parametrize("op", ["Sub", "Div"])
def test_a_layer_as_the_second_operand_of_sub_or_div_is_not_folded(op: str) -> None:
    nodes = [node("Conv", ["x", "w", "b"], "c"), node(op, ["m", "c"], "y")]
    assert prepared_ops(nodes, {**POINT, "m": 1.0 + random(6, 1, 1)}) == ["Conv", op]


def test_division_by_zero_is_not_folded() -> None:
    nodes = [node("Conv", ["x", "w", "b"], "c"), node("Div", ["c", "m"], "y")]
    assert prepared_ops(nodes, {**POINT, "m": np.array([[[0.0]]] * 6, np.float32)}) == ["Conv", "Div"]


def test_a_product_of_two_results_is_not_folded() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Conv", ["x", "w", "b"], "d"), node("Mul", ["c", "d"], "y")]
    assert prepared_ops(nodes, POINT) == ["Conv", "Conv", "Mul"]


def test_a_square_is_not_folded() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Mul", ["c", "c"], "y")]
    assert prepared_ops(nodes, POINT) == ["Conv", "Mul"]


def test_batch_norm_in_training_mode_is_not_folded() -> None:
    model = models.conv_batch_norm()
    del model.graph.node[2]
    norm = model.graph.node[1]
    norm.output[:] = ["y", "mean_out", "var_out"]
    norm.attribute.append(helper.make_attribute("training_mode", 1))
    assert op_types(ir.to_proto(prepare(ir.from_proto(model)))) == ["Conv", "BatchNormalization"]


def test_batch_norm_with_computed_statistics_is_not_folded() -> None:
    nodes = [
        node("Relu", ["z"], "mean"),
        node("Conv", ["x", "w", "b"], "c"),
        node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], "y"),
    ]
    weights = {**POINT, **models.batch_norm_weights(6)}
    del weights["mean"]
    assert prepared_ops(nodes, weights, {**IMAGE, "z": [6]}) == ["Relu", "Conv", "BatchNormalization"]


def test_double_precision_is_not_folded() -> None:
    nodes = [node("MatMul", ["x", "w"], "c"), node("Mul", ["c", "m"], "y")]
    double = TensorProto.DOUBLE
    weights = {"w": random(8, 6).astype(np.float64), "m": random(6).astype(np.float64)}
    model = build(nodes, ROWS, {"y": ["N", 6]}, weights, input_types={"x": double}, output_types={"y": double})
    assert op_types(prepared(model)) == ["MatMul", "Mul"]


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_grouped_transposed_convolutions_fold(groups: int) -> None:
    nodes = [
        node("ConvTranspose", ["x", "w"], "c", group=groups),
        node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], "y"),
    ]
    weights = {"w": random(6, 6 // groups, 2, 2), **models.batch_norm_weights(6)}
    assert prepared_ops(nodes, weights, {"x": [1, 6, 5, 5]}) == ["ConvTranspose"]


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
    assert prepared_ops(nodes, weights, ROWS, {"y": ["N", 6]}) == ["Gemm"]


def test_a_gemm_with_a_bias_per_row_is_not_folded() -> None:
    nodes = [node("Gemm", ["x", "w", "b"], "g"), node("Mul", ["g", "m"], "y")]
    weights = {"w": random(8, 6), "b": random(6, 1), "m": random(6)}
    assert prepared_ops(nodes, weights, {"x": [6, 8]}, {"y": [6, 6]}) == ["Gemm", "Mul"]


def test_a_scaled_gemm_with_a_computed_bias_keeps_beta() -> None:
    nodes = [node("Gemm", ["x", "w", "z"], "g", alpha=0.5, beta=2.0), node("Mul", ["g", "m"], "y")]
    result = prepared(build(nodes, {**ROWS, "z": [6]}, {"y": ["N", 6]}, {"w": random(8, 6), "m": random(6)}))
    assert op_types(result) == ["Gemm", "Mul"]
    assert [a.name for a in result.graph.node[0].attribute] == ["beta"]


def test_beta_of_a_gemm_without_bias_is_removed() -> None:
    nodes = [node("Gemm", ["x", "w"], "g", beta=2.0), node("Mul", ["g", "m"], "y")]
    assert prepared_ops(nodes, {"w": random(8, 6), "m": random(6)}, ROWS, {"y": ["N", 6]}) == ["Gemm"]


# MatMul and Add


def test_a_product_that_is_an_output_keeps_its_name() -> None:
    model = models.matmul_bias()
    model.graph.output.append(helper.make_tensor_value_info("m", TensorProto.FLOAT, ["N", 12]))
    assert op_types(prepared(model)) == ["MatMul", "Add"]


@pytest.mark.parametrize("shape", [(1, 1, 12), (3, 12), (), (1,), (3, 1)], ids=str)
def test_bias_shapes_that_gemm_does_not_support(shape: tuple[int, ...]) -> None:
    nodes = [node("MatMul", ["x", "w"], "m"), node("Add", ["m", "b"], "y")]
    output: dict[str, Shape] = {"y": [1, 3, 12] if len(shape) == 3 else [3, 12]}
    weights = {"w": random(8, 12), "b": random(*shape)}
    assert prepared_ops(nodes, weights, {"x": [3, 8]}, output) == ["MatMul", "Add"]


def test_a_bias_of_shape_1_n_is_fused() -> None:
    nodes = [node("MatMul", ["x", "w"], "m"), node("Add", ["m", "b"], "y")]
    assert prepared_ops(nodes, {"w": random(8, 6), "b": random(1, 6)}, ROWS, {"y": ["N", 6]}) == ["Gemm"]


def test_a_bias_that_is_an_input() -> None:
    nodes = [node("MatMul", ["x", "w"], "m"), node("Add", ["m", "z"], "y")]
    result = prepared_ops(nodes, {"w": random(8, 6)}, {**ROWS, "z": [6]}, {"y": ["N", 6]})
    assert result == ["MatMul", "Add"]


# Pad


@pytest.mark.parametrize(("mode", "fill"), [("reflect", 0.0), ("edge", 0.0), ("constant", 1.0)])
def test_pads_of_other_values_are_not_folded(mode: str, fill: float) -> None:
    assert op_types(prepared(models.pad_conv(mode, fill))) == ["Pad", "Conv"]


@pytest.mark.parametrize("pads", [[0, 1, 0, 0, 0, 0, 0, 0], [0, 0, -1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]])
def test_pads_of_other_axes_or_that_crop_are_not_folded(pads: list[int]) -> None:
    channels, batch = 4 + pads[1], 1 + pads[0]
    nodes = [node("Pad", ["x", "pads"], "p"), node("Conv", ["p", "w"], "y")]
    weights = {"pads": np.array(pads, np.int64), "w": random(6, channels, 1, 1)}
    assert prepared_ops(nodes, weights, IMAGE, {"y": [batch, 6, 6 + pads[2], 6 + pads[3]]}) == ["Pad", "Conv"]


@pytest.mark.parametrize(("auto_pad", "expected"), [("SAME_UPPER", ["Pad", "Conv"]), ("VALID", ["Conv"])])
def test_a_pad_in_front_of_automatic_padding(auto_pad: str, expected: list[str]) -> None:
    nodes = [node("Pad", ["x", "pads"], "p"), node("Conv", ["p", "w"], "y", auto_pad=auto_pad)]
    weights = {"pads": np.array([0, 0, 1, 0, 0, 0, 0, 1], np.int64), "w": random(6, 4, 2, 2)}
    size = 7 if auto_pad == "SAME_UPPER" else 6
    assert prepared_ops(nodes, weights, None, {"y": [1, 6, size, size]}) == expected


def test_a_pad_with_two_readers() -> None:
    nodes = [
        node("Pad", ["x", "pads"], "p"),
        node("Conv", ["p", "w"], "c"),
        node("Conv", ["p", "w"], "d"),
        node("Add", ["c", "d"], "y"),
    ]
    weights = {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), "w": random(6, 4, 3, 3)}
    assert prepared_ops(nodes, weights) == ["Pad", "Conv", "Conv", "Add"]


def test_a_pad_of_axes() -> None:
    nodes = [node("Pad", ["x", "pads", "", "axes"], "p"), node("Conv", ["p", "w"], "y")]
    weights = {"pads": np.array([1, 1], np.int64), "axes": np.array([3], np.int64), "w": random(6, 4, 1, 3)}
    assert op_types(prepared(build(nodes, IMAGE, SAME, weights, opset=18)))[-1] == "Conv"


def test_a_pad_of_weights_is_not_folded() -> None:
    nodes = [node("Pad", ["z", "pads"], "p"), node("Conv", ["x", "p"], "y")]
    pads = {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)}
    assert prepared_ops(nodes, pads, {**IMAGE, "z": [6, 4, 1, 1]}, {"y": [1, 6, 4, 4]}) == ["Pad", "Conv"]


# Identity nodes, and nodes that only resemble them


def _mean(axes: list[int], keepdims: int, opset: int, rank: int = 4) -> onnx.ModelProto:
    shape = ["N", 4, *[6] * (rank - 2)]
    kept_shape = [1 if i in (axis % rank for axis in axes) else d for i, d in enumerate(shape)]
    result_shape = (
        kept_shape if keepdims else [d for i, d in enumerate(shape) if i not in [axis % rank for axis in axes]]
    )
    inputs = {"axes": np.array(axes, np.int64)} if opset >= 18 else {}
    attributes = {} if opset >= 18 else {"axes": axes}
    nodes = [node("Relu", ["x"], "r"), node("ReduceMean", ["r", *inputs], "y", keepdims=keepdims, **attributes)]
    return build(nodes, {"x": shape}, {"y": result_shape}, inputs, opset=opset)


@pytest.mark.parametrize("opset", [13, 17, 18, 21])
@pytest.mark.parametrize("axes", [[2, 3], [-1, -2]], ids=str)
def test_spatial_means_become_global_average_pools(axes: list[int], opset: int) -> None:
    with_axes, without_axes = (prepared(_mean(axes, keepdims, opset)) for keepdims in (1, 0))
    assert [n.op_type for n in with_axes.graph.node] == ["Relu", "GlobalAveragePool"]
    assert [n.op_type for n in without_axes.graph.node] == ["Relu", "GlobalAveragePool", "Flatten"]


@pytest.mark.parametrize(("axes", "rank"), [([2], 4), ([1, 2], 4), ([1, 2, 3], 4), ([2], 3), ([-1], 3), ([0, 2, 3], 4)])
def test_means_over_other_axes_are_kept(axes: list[int], rank: int) -> None:
    result = prepared(_mean(axes, 1, 18, rank))
    assert [n.op_type for n in result.graph.node] == ["Relu", "ReduceMean"]


def test_spatial_means_in_three_dimensions() -> None:
    assert [n.op_type for n in prepared(_mean([2, 3, 4], 1, 18, 5)).graph.node] == ["Relu", "GlobalAveragePool"]


@pytest.mark.parametrize("to", [TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT32])
def test_casts_that_change_the_type(to: int) -> None:
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Cast", ["c"], "d", to=to),
        node("Cast", ["d"], "y", to=TensorProto.FLOAT),
    ]
    assert prepared_ops(nodes, POINT) == ["Conv", "Cast", "Cast"]


@pytest.mark.parametrize(("first", "second"), [([0, 2, 3, 1], [0, 2, 3, 1]), ([0, 1, 3, 2], [0, 2, 1, 3])])
def test_transposes_that_do_not_cancel(first: list[int], second: list[int]) -> None:
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Transpose", ["c"], "t", perm=first),
        node("Transpose", ["t"], "y", perm=second),
    ]
    assert prepared_ops(nodes, POINT) == ["Conv", "Transpose", "Transpose"]


def test_transposes_that_cancel_with_another_reader_between() -> None:
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Transpose", ["c"], "t", perm=[0, 2, 3, 1]),
        node("Transpose", ["t"], "u", perm=[0, 3, 1, 2]),
        node("Relu", ["t"], "z"),
        node("Relu", ["u"], "y"),
    ]
    result = prepared_ops(nodes, POINT, None, {**SAME, "z": [1, 6, 6, 6]})
    assert result == ["Conv", "Transpose", "Relu", "Relu"]


@pytest.mark.parametrize("op", ["Identity", "Dropout"])
def test_an_input_that_is_an_output(op: str) -> None:
    nodes = [node(op, ["x"], "z"), node("Conv", ["x", "w"], "y")]
    assert prepared_ops(nodes, POINT, None, {"z": [1, 4, 6, 6], **SAME}) == [op, "Conv"]


def test_a_constant_that_is_an_output() -> None:
    nodes = [node("Identity", ["b"], "z"), node("Conv", ["x", "w", "b"], "y")]
    assert set(prepared_ops(nodes, POINT, None, {"z": [6], **SAME})) >= {"Conv"}


def test_one_tensor_with_three_output_names() -> None:
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Identity", ["c"], "y"),
        node("Identity", ["y"], "z"),
        node("Identity", ["c"], "v"),
    ]
    result = prepared_ops(nodes, POINT, None, {"z": [1, 6, 6, 6], **SAME, "v": [1, 6, 6, 6]})
    assert Counter(result) == {"Conv": 1, "Identity": 2}


def test_an_output_listed_twice() -> None:
    model = models.idle()
    model.graph.output.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, [1, 4, 4, 4]))
    assert op_types(prepared(model))[0] == "Conv"


def test_a_dropout_whose_mask_is_read() -> None:
    drop = helper.make_node("Dropout", ["c"], ["y", "mask"], name="drop")
    model = build(
        [node("Conv", ["x", "w"], "c"), drop],
        IMAGE,
        {**SAME, "mask": [1, 6, 6, 6]},
        POINT,
        output_types={"mask": TensorProto.BOOL},
    )
    assert op_types(prepared(model)) == ["Conv", "Dropout"]


@pytest.mark.parametrize(("training", "expected"), [(True, ["Conv", "Dropout"]), (False, ["Conv"])])
def test_a_dropout_that_may_train(training: bool, expected: list[str]) -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Dropout", ["c", "ratio", "training"], "y")]
    weights = {"w": POINT["w"], "ratio": models.ONE * 0, "training": np.array(training)}
    assert prepared_ops(nodes, weights) == expected
