"""Plans: the role and the grids of each operator, and the reasons for which one has no integer form."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto
from tests.helpers import models
from tests.helpers.models import PATTERNS, build, node, random
from tests.helpers.plans import INTEGER, planned, reason, roles

from octavo.graph import operators as ops
from octavo.graph.plan import Plan

# Roles and grids


def test_thin_first_convolutions_stay_in_float_on_x86() -> None:
    for to in ("x86-vnni", "x86-avx2"):
        why = reason(planned(models.thin_conv(), to), "Conv")
        assert why == "with 3 input channels its integer form is slower than float"
    for to in ("arm-neon", "octavo", "nvidia-tensorrt", "fbgemm"):
        assert "conv_c" in planned(models.thin_conv(), to).layers


@pytest.mark.parametrize("to", ["x86-vnni", "x86-avx2"])
def test_depthwise_convolutions_behind_floats_stay_in_float_on_x86(to: str) -> None:
    plan = planned(models.depthwise(), to)
    assert list(plan.layers) == ["conv_y"]
    assert (
        reason(plan, "Conv")
        == "its input 'x' is float (from a graph input), and a depthwise Conv gains nothing from integers"
    )


@pytest.mark.parametrize("to", [name for name in INTEGER if not name.startswith("x86")])
def test_depthwise_convolutions_are_not_thin(to: str) -> None:
    assert list(planned(models.depthwise(), to).layers) == ["conv_d", "conv_y"]


def test_depthwise_convolutions_behind_integers_are_integers() -> None:
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Conv", ["c", "k"], "d", group=8),
        node("Conv", ["d", "p"], "y"),
    ]
    weights = {"w": random(8, 4, 1, 1), "k": random(8, 1, 3, 3), "p": random(4, 8, 1, 1)}
    plan = planned(build(nodes, {"x": [1, 4, 6, 6]}, {"y": [1, 4, 4, 4]}, weights))
    assert list(plan.layers) == ["conv_c", "conv_d", "conv_y"]


def test_the_reason_for_one_input_channel_is_in_the_singular() -> None:
    model = build([node("Conv", ["x", "w"], "y")], {"x": [1, 1, 4, 4]}, {"y": [1, 6, 4, 4]}, {"w": random(6, 1, 1, 1)})
    assert reason(planned(model), "Conv") == "with 1 input channel its integer form is slower than float"


def _classifier(classes: int, to: str = "x86-vnni") -> Plan:
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("GlobalAveragePool", ["c"], "p"),
        node("Flatten", ["p"], "f"),
        node("Gemm", ["f", "g"], "y"),
    ]
    weights = {"w": random(64, 4, 1, 1), "g": random(64, classes)}
    return planned(build(nodes, {"x": ["N", 4, 4, 4]}, {"y": ["N", classes]}, weights), to)


def test_small_classifiers_stay_in_float_on_x86() -> None:
    assert reason(_classifier(10), "Gemm") == "with 640 weights its integer form is slower than float"
    assert "gemm_y" in _classifier(64).layers
    assert "gemm_y" in _classifier(10, "octavo").layers


def test_small_gemms_between_integer_layers_are_integer() -> None:
    nodes = [node("Gemm", ["x", "a"], "h"), node("Gemm", ["h", "b"], "y")]
    plan = planned(build(nodes, {"x": ["N", 8]}, {"y": ["N", 4]}, {"a": random(8, 8), "b": random(8, 4)}))
    assert list(plan.layers) == ["gemm_h", "gemm_y"]


def test_embeddings_gather_integers() -> None:
    plan = planned(models.embedding())
    layer = plan.layers["gather_e"]
    assert (layer.role, layer.inputs, layer.output) == ("embedding", {}, None)
    assert layer.weights[0].axis == 1
    assert reason(planned(models.embedding(), "nvidia-tensorrt"), "Gather")


def test_a_gather_of_activations_is_a_mover() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Gather", ["c", "i"], "y", axis=1)]
    weights = {"w": random(6, 4, 1, 1), "i": np.array([0, 2], np.int64)}
    plan = planned(build(nodes, {"x": [1, 4, 4, 4]}, {"y": [1, 2, 4, 4]}, weights))
    assert plan.layers["gather_y"].role == "move"
    assert plan.tensors["y"].source == "c"


@pytest.mark.parametrize("to", ["x86-vnni", "x86-avx2", "octavo"])
def test_the_rhs_of_a_matmul_is_signed(to: str) -> None:
    plan = planned(models.attention(), to)
    assert plan.tensors["kt"].grid.dtype == plan.tensors["k"].grid.dtype == "int8"
    assert plan.tensors["v"].grid.dtype == "int8"
    assert plan.tensors["q"].grid.dtype == plan.tensors["p"].grid.dtype == "uint8"


def test_a_tensor_that_is_both_lhs_and_rhs_has_the_grid_of_a_lhs() -> None:
    model = build([node("MatMul", ["x", "x"], "y")], {"x": [4, 4]}, {"y": [4, 4]})
    assert planned(model).tensors["x"].grid.dtype == "uint8"


@pytest.mark.parametrize(
    ("pattern", "op", "axis"),
    [
        ("conv_relu", "Conv", 0),
        ("conv1d", "Conv", 0),
        ("transposed_conv", "ConvTranspose", 1),
        ("mlp", "Gemm", 1),
        ("scaled_gemm", "Gemm", 0),
        ("linear", "MatMul", 1),
        ("weights_first", "MatMul", None),
    ],
)
def test_channel_axes_of_weights(pattern: str, op: str, axis: int | None) -> None:
    plan = planned(PATTERNS[pattern](), "octavo")
    layer = next(layer for layer in plan.layers.values() if layer.op == op)
    assert layer.weights[0].axis == axis


def test_axes_that_tensorrt_does_not_support_become_per_tensor() -> None:
    assert planned(models.linear(), "nvidia-tensorrt").layers["matmul_m"].weights[0].axis is None
    assert planned(models.transposed_conv(), "nvidia-tensorrt").layers["convtranspose_c"].weights[0].axis is None
    # Gemm's weights can be transposed, so they keep one scale per channel.
    assert planned(models.mlp(), "nvidia-tensorrt").layers["gemm_g"].weights[0].axis == 1


def test_the_convolution_branch_of_a_residual_add_stays_in_float_on_tensorrt() -> None:
    plan = planned(models.residual(), "nvidia-tensorrt")
    assert plan.layers["add_s"].inputs == {1: "r"}
    assert "d" not in plan.tensors
    assert planned(models.residual()).layers["add_s"].inputs == {0: "d", 1: "r"}


# Nodes with and without an integer form


def _obstacle(of: onnx.NodeProto, weights: models.Arrays, shape: models.Shape = (4, 4), kind: int = 1) -> str | None:
    inputs = {name: shape for name in of.input if name and name not in weights}
    model = build(
        [of],
        inputs,
        {"y": [None] * len(shape)},
        weights,
        input_types=dict.fromkeys(inputs, kind),
        output_types={"y": kind},
    )
    prepared = ir.from_proto(model)
    return ops.obstacle(prepared.graph[0])


@pytest.mark.parametrize(
    ("of", "weights", "expected"),
    [
        (node("Gemm", ["x", "w"], "y", alpha=2.0), {"w": random(4, 4)}, "alpha"),
        (node("Gemm", ["x", "w"], "y", transA=1), {"w": random(4, 4)}, "transposed first input"),
        (node("Gemm", ["x", "w", "z"], "y", beta=2.0), {"w": random(4, 4)}, "beta"),
        (node("Add", ["v", "w"], "y"), {"v": random(4, 4), "w": random(4, 4)}, "constants"),
        (node("MatMul", ["v", "w"], "y"), {"v": random(4, 4), "w": random(4, 4)}, "constants"),
        (node("Pad", ["x", "p", "w"], "y"), {"p": np.ones(4, np.int64), "w": models.ONE}, "other than zero"),
        (node("Pad", ["x", "p", "z"], "y"), {"p": np.ones(4, np.int64)}, "other than zero"),
        (node("Resize", ["x", "", "s"], "y", mode="cubic"), {"s": np.ones(2, np.float32)}, "overshoots"),
    ],
    ids=lambda value: value.op_type if isinstance(value, onnx.NodeProto) else "",
)
def test_nodes_without_an_integer_form(of: onnx.NodeProto, weights: models.Arrays, expected: str) -> None:
    obstacle = _obstacle(of, weights)
    assert obstacle is not None
    assert expected in obstacle


@pytest.mark.parametrize(
    ("of", "weights"),
    [
        (node("Gemm", ["x", "w"], "y", beta=2.0), {"w": random(4, 4)}),
        (node("Pad", ["x", "p"], "y"), {"p": np.ones(4, np.int64)}),
        (node("Pad", ["x", "p", "w"], "y", mode="edge"), {"p": np.ones(4, np.int64), "w": models.ONE}),
        (node("Pad", ["x", "p", "w"], "y"), {"p": np.ones(4, np.int64), "w": models.ONE * 0}),
        (node("Resize", ["x", "", "s"], "y", mode="linear"), {"s": np.ones(2, np.float32)}),
        (node("Add", ["x", "w"], "y"), {"w": random(4, 4)}),
    ],
    ids=lambda value: value.op_type if isinstance(value, onnx.NodeProto) else "",
)
def test_nodes_with_an_integer_form(of: onnx.NodeProto, weights: models.Arrays) -> None:
    assert _obstacle(of, weights) is None


def test_types_other_than_float32_have_no_integer_form() -> None:
    of = node("MatMul", ["x", "z"], "y")
    assert _obstacle(of, {}, kind=TensorProto.DOUBLE) == "its data are not float32"
    assert _obstacle(of, {}, kind=TensorProto.INT32) == "its data are not float32"


def test_computed_weights_stay_in_float() -> None:
    nodes = [node("Relu", ["z"], "w"), node("Conv", ["x", "w"], "y")]
    plan = planned(build(nodes, {"x": [1, 4, 4, 4], "z": [6, 4, 1, 1]}, {"y": [1, 6, 4, 4]}))
    assert reason(plan, "Conv") == "its weights are computed while the model runs"


def test_shape_computations_are_not_listed() -> None:
    nodes = [
        node("Shape", ["x"], "s"),
        node("Gather", ["s", "i"], "n"),
        node("Concat", ["n", "m"], "t", axis=0),
        node("Reshape", ["x", "t"], "r"),
        node("MatMul", ["r", "w"], "y"),
    ]
    weights = {"i": np.array([0], np.int64), "m": np.array([-1], np.int64), "w": random(16, 6)}
    model = build(nodes, {"x": ["N", 4, 4]}, {"y": ["N", 6]}, weights)
    plan = planned(model)
    assert {left.op for left in plan.left_float} <= {"Reshape"}
    assert ("MatMul", "compute") in roles(plan)
