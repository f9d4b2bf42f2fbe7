"""Plans: what runs in integers, what shares parameters, what stays in float and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from tests.helpers import models
from tests.helpers.models import PATTERNS, build, node, random

from octavo.errors import OptionError
from octavo.graph import operators as ops
from octavo.graph import prepare
from octavo.graph.plan import Plan, excluded_nodes, make_plan
from octavo.targets import target, target_names

INTEGER = [name for name in target_names() if not target(name).weights_only]


def _plan(model: onnx.ModelProto, to: str = "x86-vnni", exclude: Sequence[str] = ()) -> Plan:
    return make_plan(prepare(ir.from_proto(model)), target(to), exclude)


def _roles(plan: Plan) -> list[tuple[str, str]]:
    return [(layer.op, layer.role) for layer in plan.layers.values()]


def _why(plan: Plan, op: str) -> str:
    return next(left.why for left in plan.left_float if left.op == op)


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("to", target_names())
def test_every_node_is_a_layer_or_fused_or_left_with_a_reason(name: str, to: str) -> None:
    prepared = prepare(ir.from_proto(PATTERNS[name]()))
    plan = make_plan(prepared, target(to))
    fused = [tail for layer in plan.layers.values() for tail in layer.fused]
    left = [left.name for left in plan.left_float]
    placed = [*plan.layers, *fused, *left]
    assert sorted(placed) == sorted(n.name or "" for n in prepared.graph)
    assert all(left.why and left.op for left in plan.left_float)
    assert not any("\n" in left.why for left in plan.left_float)


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("to", target_names())
def test_plans_agree_with_themselves(name: str, to: str) -> None:
    model = prepare(ir.from_proto(PATTERNS[name]()))
    plan = make_plan(model, target(to))
    types = {v.name: v.dtype for n in model.graph for v in n.outputs} | {v.name: v.dtype for v in model.graph.inputs}
    for layer in plan.layers.values():
        assert set(layer.inputs.values()) <= set(plan.tensors)
        assert layer.output in (None, layer.result)
        assert layer.output is None or layer.output in plan.tensors
        assert layer.role in ("compute", "carry", "move", "embedding")
        if layer.role == "move":
            assert plan.tensors[layer.result].source == plan.tensors[layer.inputs[0]].source
    for key, tensor in plan.tensors.items():
        assert key == tensor.name
        assert types[key] == ir.DataType.FLOAT
        assert plan.tensors[tensor.source].source == tensor.source
        assert tensor.estimator == plan.target.estimator
    assert len(set(plan.sources)) == len(plan.sources) <= len(plan.tensors)


# Exclusions


@pytest.mark.parametrize(
    ("pattern", "excluded"),
    [
        ("conv_c", ["conv_c"]),
        ("Conv", ["conv_c", "conv_y"]),
        ("conv_.*", ["conv_c", "conv_y"]),
        ("conv_[x-z]", ["conv_y"]),
    ],
)
def test_exclusion_by_name_type_and_expression(pattern: str, excluded: list[str]) -> None:
    plan = _plan(models.conv_relu(), exclude=[pattern])
    left = {left.name: left.why for left in plan.left_float if left.op == "Conv"}
    assert left == dict.fromkeys(excluded, f"excluded by '{pattern}'")
    assert not set(plan.layers) & set(excluded)


def test_names_that_look_like_expressions_are_names_first() -> None:
    model = models.conv_relu()
    model.graph.node[0].name = "block(0)/conv[1]*"
    plan = _plan(model, exclude=["block(0)/conv[1]*"])
    assert [left.name for left in plan.left_float if left.op == "Conv"] == ["block(0)/conv[1]*"]


@pytest.mark.parametrize("pattern", ["conv", "Con", "onv_c", "softmax", "conv_c2", "CONV", ""])
def test_an_exclusion_that_matches_nothing(pattern: str) -> None:
    with pytest.raises(OptionError, match="matches no node name and no operator type") as caught:
        _plan(models.conv_relu(), exclude=["Relu", pattern])
    assert f"'{pattern}'" in str(caught.value)


@pytest.mark.parametrize("pattern", ["conv_(", "[", "*conv", "(?P<n"])
def test_an_exclusion_that_is_no_expression(pattern: str) -> None:
    with pytest.raises(OptionError, match="not a valid regular expression") as caught:
        _plan(models.conv_relu(), exclude=[pattern])
    assert "\n" not in str(caught.value)


def test_the_last_exclusion_that_matches_is_named() -> None:
    found = excluded_nodes(prepare(ir.from_proto(models.conv_relu())), ["Conv", "conv_y"])
    assert found == {"conv_c": "Conv", "conv_y": "conv_y"}


def test_an_excluded_activation_is_not_fused() -> None:
    plan = _plan(models.conv_relu(), exclude=["Relu"])
    assert plan.layers["conv_c"].fused == []
    assert _why(plan, "Relu") == "excluded by 'Relu'"
    assert plan.layers["conv_c"].output == "c"


def test_everything_excluded() -> None:
    plan = _plan(models.conv_relu(), exclude=[".*"])
    assert not plan.layers
    assert not plan.tensors
    assert len(plan.left_float) == 3


def test_layers_left_out_for_another_reason() -> None:
    prepared = prepare(ir.from_proto(models.conv_relu()))
    plan = make_plan(prepared, target("octavo"), ["conv_y"], {"conv_c": "it could overflow"})
    assert {left.name: left.why for left in plan.left_float} == {
        "conv_c": "it could overflow",
        "conv_y": "excluded by 'conv_y'",
        "relu_r": "its input 'c' is float (from Conv 'conv_c'), so integers would only add rounding",
    }


# Fusion


@pytest.mark.parametrize("to", INTEGER)
def test_activations_are_fused(to: str) -> None:
    plan = _plan(models.residual(), to)
    assert plan.layers["conv_c"].fused == ["relu_r"]
    assert plan.layers["conv_c"].result == "r"
    assert plan.layers["add_s"].fused == ["relu_y"]
    assert plan.layers["add_s"].result == "y"


@pytest.mark.parametrize("op", ["Gemm", "MatMul"])
def test_what_an_activation_is_fused_to_is_on_a_grid(op: str) -> None:
    nodes = [node(op, ["x", "w"], "h"), node("Relu", ["h"], "r"), node("Softmax", ["r"], "y")]
    plan = _plan(build(nodes, {"x": ["N", 8]}, {"y": ["N", 8]}, {"w": random(8, 8)}))
    assert next(iter(plan.layers.values())).output == "r"


def test_only_the_next_clip_is_fused() -> None:
    plan = _plan(models.clip_without_bounds())
    assert [layer.fused for layer in plan.layers.values()] == [["clip_d"], [], []]


def test_an_activation_of_a_value_with_other_readers_is_not_fused() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Relu", ["c"], "r"), node("Add", ["c", "r"], "y")]
    plan = _plan(build(nodes, {"x": [1, 4, 4, 4]}, {"y": [1, 6, 4, 4]}, {"w": random(6, 4, 1, 1)}))
    assert _roles(plan) == [("Conv", "compute"), ("Relu", "carry"), ("Add", "carry")]
    assert plan.layers["conv_c"].fused == []


def test_an_activation_of_an_output_is_not_fused() -> None:
    model = models.conv_relu()
    model.graph.output.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, ["N", 8, 8, 8]))
    plan = _plan(model)
    assert plan.layers["conv_c"].fused == []
    assert plan.layers["relu_r"].role == "carry"


def test_an_operator_of_the_same_name_elsewhere_is_not_fused() -> None:
    model = models.conv_relu()
    model.graph.node[1].domain = "com.someone"
    model.opset_import.append(helper.make_opsetid("com.someone", 1))
    plan = _plan(model)
    assert plan.layers["conv_c"].fused == []
    assert _why(plan, "Relu") == "operator of the domain 'com.someone', which Octavo does not know"


def test_a_product_that_bounds_a_clip_is_not_fused_with_it() -> None:
    nodes = [node("MatMul", ["x", "w"], "low"), node("Clip", ["z", "low"], "y")]
    model = build(nodes, {"x": [8], "z": [4]}, {"y": [4]}, {"w": random(8)})
    assert _plan(model).layers["matmul_low"].fused == []


def test_an_activation_inside_a_subgraph_is_not_fused() -> None:
    def branch(name: str, inner: onnx.NodeProto) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(inner.output[0], TensorProto.FLOAT, [1, 6, 4, 4])
        return helper.make_graph([inner], name, [], [out])

    then = branch("then", node("Relu", ["c"], "inner"))
    other = branch("other", node("Expand", ["zero", "shape"], "filled"))
    nodes = [node("Conv", ["x", "w"], "c"), node("If", ["flag"], "y", then_branch=then, else_branch=other)]
    weights = {"w": random(6, 4, 1, 1), "zero": models.ONE * 0, "shape": np.array([1, 6, 4, 4], np.int64)}
    model = build(
        nodes,
        {"x": [1, 4, 4, 4], "flag": []},
        {"y": [1, 6, 4, 4]},
        weights,
        input_types={"flag": TensorProto.BOOL},
    )
    plan = _plan(model)
    assert plan.layers["conv_c"].fused == []
    assert plan.layers["conv_c"].result == "c"


# Carried and moved


@pytest.mark.parametrize(("pattern", "op"), [("residual", "Add"), ("concat", "Concat"), ("gate", "Mul")])
def test_operators_are_carried_when_all_inputs_are_integers(pattern: str, op: str) -> None:
    plan = _plan(PATTERNS[pattern]())
    assert (op, "carry") in _roles(plan)


@pytest.mark.parametrize(("pattern", "op"), [("linear", "Add"), ("layer_norm", "Softmax")])
def test_operators_behind_floats_stay_in_float(pattern: str, op: str) -> None:
    assert op in {left.op for left in _plan(PATTERNS[pattern]()).left_float}


def test_one_float_input_is_enough_to_stay() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Add", ["c", "z"], "y")]
    plan = _plan(build(nodes, {"x": [1, 4, 4, 4], "z": [1, 6, 4, 4]}, {"y": [1, 6, 4, 4]}, {"w": random(6, 4, 1, 1)}))
    assert _why(plan, "Add") == "its input 'z' is float (from a graph input), so integers would only add rounding"


def test_an_input_that_a_layer_reads_in_integers_counts() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Add", ["c", "x"], "y")]
    plan = _plan(build(nodes, {"x": [1, 4, 4, 4]}, {"y": [1, 4, 4, 4]}, {"w": random(4, 4, 1, 1)}))
    assert plan.layers["add_y"].inputs == {0: "c", 1: "x"}


def test_a_constant_operand_is_put_on_the_grid_of_activations() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Relu", ["c"], "r"), node("Mul", ["r", "k"], "y")]
    plan = _plan(build(nodes, {"x": [1, 4, 4, 4]}, {"y": [1, 6, 4, 4]}, {"w": random(6, 4, 1, 1), "k": models.ONE * 2}))
    weight = plan.layers["mul_y"].weights[0]
    assert (weight.tensor, weight.index, weight.axis) == ("k", 1, None)
    assert weight.grid == target("x86-vnni").activations.grid


@pytest.mark.parametrize("to", ["x86-vnni", "arm-neon", "octavo", "fbgemm"])
def test_movers_share_their_source(to: str) -> None:
    plan = _plan(models.movers(), to)
    moved = ["t", "r", "s", "p", "q"]
    assert {plan.tensors[name].source for name in moved} == {"c"}
    assert plan.sources == ["x", "c"]
    assert len({(t.grid, t.symmetric) for name, t in plan.tensors.items() if name in moved}) == 1


def test_movers_in_front_of_a_layer_are_hoisted() -> None:
    plan = _plan(models.mover_first())
    assert sorted(_roles(plan)) == [("Conv", "compute"), ("Reshape", "move"), ("Transpose", "move")]
    assert plan.sources == ["x", "y"]
    assert plan.tensors["r"].source == "x"


def test_a_mover_with_a_reader_in_float_stays() -> None:
    nodes = [
        node("Transpose", ["x"], "t", perm=[0, 3, 1, 2]),
        node("Conv", ["t", "w"], "y"),
        node("Exp", ["t"], "z"),
    ]
    output = {"y": [1, 6, 4, 4], "z": [1, 4, 4, 4]}
    plan = _plan(build(nodes, {"x": [1, 4, 4, 4]}, output, {"w": random(6, 4, 1, 1)}))
    assert "Transpose" in {left.op for left in plan.left_float}
    assert plan.sources == ["t", "y"]


def test_a_mover_that_is_an_output_stays() -> None:
    nodes = [node("Transpose", ["x"], "t", perm=[0, 3, 1, 2]), node("Conv", ["t", "w"], "y")]
    output = {"y": [1, 6, 4, 4], "t": [1, 4, 4, 4]}
    plan = _plan(build(nodes, {"x": [1, 4, 4, 4]}, output, {"w": random(6, 4, 1, 1)}))
    assert [left.op for left in plan.left_float] == ["Transpose"]


def test_a_mover_behind_everything_stays_in_float_without_pairs_behind() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Transpose", ["c"], "y", perm=[0, 2, 3, 1])]
    model = build(nodes, {"x": [1, 4, 4, 4]}, {"y": [1, 4, 4, 6]}, {"w": random(6, 4, 1, 1)})
    assert [left.op for left in _plan(model, "nvidia-tensorrt").left_float] == ["Transpose"]
    assert _plan(model).layers["transpose_y"].role == "move"


@pytest.mark.parametrize("to", [name for name in target_names() if "MatMul" in target(name).compute])
def test_a_constant_that_is_expanded_to_the_batch_stays_in_float(to: str) -> None:
    nodes = [
        node("Shape", ["x"], "s"),
        node("Expand", ["token", "s"], "e"),
        node("MatMul", ["e", "w"], "m"),
        node("Concat", ["e", "x"], "j", axis=1),
        node("MatMul", ["j", "w"], "y"),
    ]
    weights = {"token": random(1, 1, 8), "w": random(8, 4)}
    plan = _plan(build(nodes, {"x": ["N", 3, 8]}, {"m": ["N", 3, 4], "y": ["N", 6, 4]}, weights), to)
    assert _why(plan, "Expand") in ("all its inputs are constants", f"{to} has no integer Expand")
    assert {"matmul_m", "matmul_y"} <= set(plan.layers)


def test_the_indices_of_a_max_pool_keep_it_in_float() -> None:
    plan = _plan(models.pool_with_indices())
    assert "places" not in plan.tensors
    assert "indices of the maxima" in _why(plan, "MaxPool")


# Roles and grids


def test_thin_first_convolutions_stay_in_float_on_x86() -> None:
    for to in ("x86-vnni", "x86-avx2"):
        why = _why(_plan(models.thin_conv(), to), "Conv")
        assert why == "with 3 input channels its integer form is slower than float"
    for to in ("arm-neon", "octavo", "nvidia-tensorrt", "fbgemm"):
        assert "conv_c" in _plan(models.thin_conv(), to).layers


@pytest.mark.parametrize("to", ["x86-vnni", "x86-avx2"])
def test_depthwise_convolutions_behind_floats_stay_in_float_on_x86(to: str) -> None:
    plan = _plan(models.depthwise(), to)
    assert list(plan.layers) == ["conv_y"]
    assert (
        _why(plan, "Conv")
        == "its input 'x' is float (from a graph input), and a depthwise Conv gains nothing from integers"
    )


@pytest.mark.parametrize("to", [name for name in INTEGER if not name.startswith("x86")])
def test_depthwise_convolutions_are_not_thin(to: str) -> None:
    assert list(_plan(models.depthwise(), to).layers) == ["conv_d", "conv_y"]


def test_depthwise_convolutions_behind_integers_are_integers() -> None:
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Conv", ["c", "k"], "d", group=8),
        node("Conv", ["d", "p"], "y"),
    ]
    weights = {"w": random(8, 4, 1, 1), "k": random(8, 1, 3, 3), "p": random(4, 8, 1, 1)}
    plan = _plan(build(nodes, {"x": [1, 4, 6, 6]}, {"y": [1, 4, 4, 4]}, weights))
    assert list(plan.layers) == ["conv_c", "conv_d", "conv_y"]


def test_one_input_channel_in_the_singular() -> None:
    model = build([node("Conv", ["x", "w"], "y")], {"x": [1, 1, 4, 4]}, {"y": [1, 6, 4, 4]}, {"w": random(6, 1, 1, 1)})
    assert _why(_plan(model), "Conv") == "with 1 input channel its integer form is slower than float"


def _classifier(classes: int, to: str = "x86-vnni") -> Plan:
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("GlobalAveragePool", ["c"], "p"),
        node("Flatten", ["p"], "f"),
        node("Gemm", ["f", "g"], "y"),
    ]
    weights = {"w": random(64, 4, 1, 1), "g": random(64, classes)}
    return _plan(build(nodes, {"x": ["N", 4, 4, 4]}, {"y": ["N", classes]}, weights), to)


def test_small_classifiers_stay_in_float_on_x86() -> None:
    assert _why(_classifier(10), "Gemm") == "with 640 weights its integer form is slower than float"
    assert "gemm_y" in _classifier(64).layers
    assert "gemm_y" in _classifier(10, "octavo").layers


def test_small_products_between_integers_are_no_classifiers() -> None:
    nodes = [node("Gemm", ["x", "a"], "h"), node("Gemm", ["h", "b"], "y")]
    plan = _plan(build(nodes, {"x": ["N", 8]}, {"y": ["N", 4]}, {"a": random(8, 8), "b": random(8, 4)}))
    assert list(plan.layers) == ["gemm_h", "gemm_y"]


def test_embeddings_are_lookups_of_integers() -> None:
    plan = _plan(models.embedding())
    layer = plan.layers["gather_e"]
    assert (layer.role, layer.inputs, layer.output) == ("embedding", {}, None)
    assert layer.weights[0].axis == 1
    assert _why(_plan(models.embedding(), "nvidia-tensorrt"), "Gather")


def test_lookups_of_activations_move_them() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Gather", ["c", "i"], "y", axis=1)]
    weights = {"w": random(6, 4, 1, 1), "i": np.array([0, 2], np.int64)}
    plan = _plan(build(nodes, {"x": [1, 4, 4, 4]}, {"y": [1, 2, 4, 4]}, weights))
    assert plan.layers["gather_y"].role == "move"
    assert plan.tensors["y"].source == "c"


@pytest.mark.parametrize("to", ["x86-vnni", "x86-avx2", "octavo"])
def test_second_operands_are_signed(to: str) -> None:
    plan = _plan(models.attention(), to)
    assert plan.tensors["kt"].grid.dtype == plan.tensors["k"].grid.dtype == "int8"
    assert plan.tensors["v"].grid.dtype == "int8"
    assert plan.tensors["q"].grid.dtype == plan.tensors["p"].grid.dtype == "uint8"


def test_a_tensor_read_on_both_sides_is_a_first_operand() -> None:
    model = build([node("MatMul", ["x", "x"], "y")], {"x": [4, 4]}, {"y": [4, 4]})
    assert _plan(model).tensors["x"].grid.dtype == "uint8"


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
def test_axes_of_weights(pattern: str, op: str, axis: int | None) -> None:
    plan = _plan(PATTERNS[pattern](), "octavo")
    layer = next(layer for layer in plan.layers.values() if layer.op == op)
    assert layer.weights[0].axis == axis


def test_axes_that_tensorrt_does_not_take_become_one_scale() -> None:
    assert _plan(models.linear(), "nvidia-tensorrt").layers["matmul_m"].weights[0].axis is None
    assert _plan(models.transposed_conv(), "nvidia-tensorrt").layers["convtranspose_c"].weights[0].axis is None
    # Gemm's weights can be turned, so they keep a scale for each channel.
    assert _plan(models.mlp(), "nvidia-tensorrt").layers["gemm_g"].weights[0].axis == 1


def test_the_branch_of_the_convolution_stays_float_in_front_of_an_add() -> None:
    plan = _plan(models.residual(), "nvidia-tensorrt")
    assert plan.layers["add_s"].inputs == {1: "r"}
    assert "d" not in plan.tensors
    assert _plan(models.residual()).layers["add_s"].inputs == {0: "d", 1: "r"}


# Obstacles


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
    ("of", "weights", "told"),
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
def test_nodes_without_an_integer_form(of: onnx.NodeProto, weights: models.Arrays, told: str) -> None:
    found = _obstacle(of, weights)
    assert found is not None
    assert told in found


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


def test_data_of_other_types() -> None:
    of = node("MatMul", ["x", "z"], "y")
    assert _obstacle(of, {}, kind=TensorProto.DOUBLE) == "its data are not float32"
    assert _obstacle(of, {}, kind=TensorProto.INT32) == "its data are not float32"


def test_computed_weights() -> None:
    nodes = [node("Relu", ["z"], "w"), node("Conv", ["x", "w"], "y")]
    plan = _plan(build(nodes, {"x": [1, 4, 4, 4], "z": [6, 4, 1, 1]}, {"y": [1, 6, 4, 4]}))
    assert _why(plan, "Conv") == "its weights are computed while the model runs"


def test_shapes_and_indices_are_not_mentioned() -> None:
    nodes = [
        node("Shape", ["x"], "s"),
        node("Gather", ["s", "i"], "n"),
        node("Concat", ["n", "m"], "t", axis=0),
        node("Reshape", ["x", "t"], "r"),
        node("MatMul", ["r", "w"], "y"),
    ]
    weights = {"i": np.array([0], np.int64), "m": np.array([-1], np.int64), "w": random(16, 6)}
    model = build(nodes, {"x": ["N", 4, 4]}, {"y": ["N", 6]}, weights)
    plan = _plan(model)
    assert {left.op for left in plan.left_float} <= {"Reshape"}
    assert ("MatMul", "compute") in _roles(plan)
