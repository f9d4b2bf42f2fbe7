"""Plans: exclusions, fusion, and the placement of carried and moved operators."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from tests.helpers import models
from tests.helpers.models import PATTERNS, build, node, random
from tests.helpers.plans import INTEGER, planned, reason, roles

from octavo.errors import OptionError
from octavo.graph import prepare
from octavo.graph.plan import excluded_nodes, make_plan
from octavo.targets import target, target_names


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("to", target_names())
def test_every_node_is_a_layer_or_fused_or_left_with_a_reason(name: str, to: str) -> None:
    prepared = prepare(ir.from_proto(PATTERNS[name]()))
    plan = make_plan(prepared, target(to))
    fused = [tail for layer in plan.layers.values() for tail in layer.fused]
    operator = [operator.name for operator in plan.left_float]
    placed = [*plan.layers, *fused, *operator]
    assert sorted(placed) == sorted(n.name or "" for n in prepared.graph)
    assert all(operator.why and operator.op for operator in plan.left_float)
    assert not any("\n" in operator.why for operator in plan.left_float)


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("to", target_names())
def test_plans_are_consistent(name: str, to: str) -> None:
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
    plan = planned(models.conv_relu(), exclude=[pattern])
    reasons = {reasons.name: reasons.why for reasons in plan.left_float if reasons.op == "Conv"}
    assert reasons == dict.fromkeys(excluded, f"excluded by '{pattern}'")
    assert not set(plan.layers) & set(excluded)


def test_names_that_look_like_expressions_are_names_first() -> None:
    model = models.conv_relu()
    model.graph.node[0].name = "block(0)/conv[1]*"
    plan = planned(model, exclude=["block(0)/conv[1]*"])
    assert [left.name for left in plan.left_float if left.op == "Conv"] == ["block(0)/conv[1]*"]


@pytest.mark.parametrize("pattern", ["conv", "Con", "onv_c", "softmax", "conv_c2", "CONV", ""])
def test_an_exclusion_without_a_match_is_refused(pattern: str) -> None:
    with pytest.raises(OptionError, match="matches no node name and no operator type") as caught:
        planned(models.conv_relu(), exclude=["Relu", pattern])
    assert f"'{pattern}'" in str(caught.value)


@pytest.mark.parametrize("pattern", ["conv_(", "[", "*conv", "(?P<n"])
def test_an_exclusion_that_is_not_a_valid_expression(pattern: str) -> None:
    with pytest.raises(OptionError, match="not a valid regular expression") as caught:
        planned(models.conv_relu(), exclude=[pattern])
    assert "\n" not in str(caught.value)


def test_the_last_exclusion_that_matches_is_named() -> None:
    excluded = excluded_nodes(prepare(ir.from_proto(models.conv_relu())), ["Conv", "conv_y"])
    assert excluded == {"conv_c": "Conv", "conv_y": "conv_y"}


def test_an_excluded_activation_is_not_fused() -> None:
    plan = planned(models.conv_relu(), exclude=["Relu"])
    assert plan.layers["conv_c"].fused == ()
    assert reason(plan, "Relu") == "excluded by 'Relu'"
    assert plan.layers["conv_c"].output == "c"


def test_excluding_every_node_leaves_no_layer() -> None:
    plan = planned(models.conv_relu(), exclude=[".*"])
    assert not plan.layers
    assert not plan.tensors
    assert len(plan.left_float) == 3


def test_layers_left_in_float_for_another_reason() -> None:
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
    plan = planned(models.residual(), to)
    assert plan.layers["conv_c"].fused == ("relu_r",)
    assert plan.layers["conv_c"].result == "r"
    assert plan.layers["add_s"].fused == ("relu_y",)
    assert plan.layers["add_s"].result == "y"


@pytest.mark.parametrize("op", ["Gemm", "MatMul"])
def test_the_output_of_a_fused_activation_is_on_a_grid(op: str) -> None:
    nodes = [node(op, ["x", "w"], "h"), node("Relu", ["h"], "r"), node("Softmax", ["r"], "y")]
    plan = planned(build(nodes, {"x": ["N", 8]}, {"y": ["N", 8]}, {"w": random(8, 8)}))
    assert next(iter(plan.layers.values())).output == "r"


def test_only_the_next_clip_is_fused() -> None:
    plan = planned(models.clip_without_bounds())
    assert [layer.fused for layer in plan.layers.values()] == [("clip_d",), (), ()]


def test_an_activation_of_a_value_with_other_readers_is_not_fused() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Relu", ["c"], "r"), node("Add", ["c", "r"], "y")]
    plan = planned(build(nodes, {"x": [1, 4, 4, 4]}, {"y": [1, 6, 4, 4]}, {"w": random(6, 4, 1, 1)}))
    assert roles(plan) == [("Conv", "compute"), ("Relu", "carry"), ("Add", "carry")]
    assert plan.layers["conv_c"].fused == ()


def test_an_activation_of_an_output_is_not_fused() -> None:
    model = models.conv_relu()
    model.graph.output.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, ["N", 8, 8, 8]))
    plan = planned(model)
    assert plan.layers["conv_c"].fused == ()
    assert plan.layers["relu_r"].role == "carry"


def test_an_operator_of_the_same_name_elsewhere_is_not_fused() -> None:
    model = models.conv_relu()
    model.graph.node[1].domain = "com.someone"
    model.opset_import.append(helper.make_opsetid("com.someone", 1))
    plan = planned(model)
    assert plan.layers["conv_c"].fused == ()
    assert reason(plan, "Relu") == "operator of the domain 'com.someone', which Octavo does not know"


def test_a_product_that_bounds_a_clip_is_not_fused_with_it() -> None:
    nodes = [node("MatMul", ["x", "w"], "low"), node("Clip", ["z", "low"], "y")]
    model = build(nodes, {"x": [8], "z": [4]}, {"y": [4]}, {"w": random(8)})
    assert planned(model).layers["matmul_low"].fused == ()


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
    plan = planned(model)
    assert plan.layers["conv_c"].fused == ()
    assert plan.layers["conv_c"].result == "c"


# Carried and moved


@pytest.mark.parametrize(("pattern", "op"), [("residual", "Add"), ("concat", "Concat"), ("gate", "Mul")])
def test_operators_are_carried_when_all_inputs_are_integers(pattern: str, op: str) -> None:
    plan = planned(PATTERNS[pattern]())
    assert (op, "carry") in roles(plan)


@pytest.mark.parametrize(("pattern", "op"), [("linear", "Add"), ("layer_norm", "Softmax")])
def test_operators_behind_floats_stay_in_float(pattern: str, op: str) -> None:
    assert op in {left.op for left in planned(PATTERNS[pattern]()).left_float}


def test_an_operator_with_one_float_input_stays_in_float() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Add", ["c", "z"], "y")]
    plan = planned(build(nodes, {"x": [1, 4, 4, 4], "z": [1, 6, 4, 4]}, {"y": [1, 6, 4, 4]}, {"w": random(6, 4, 1, 1)}))
    assert reason(plan, "Add") == "its input 'z' is float (from a graph input), so integers would only add rounding"


def test_an_input_that_a_layer_reads_in_integers_counts_as_integer() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Add", ["c", "x"], "y")]
    plan = planned(build(nodes, {"x": [1, 4, 4, 4]}, {"y": [1, 4, 4, 4]}, {"w": random(4, 4, 1, 1)}))
    assert plan.layers["add_y"].inputs == {0: "c", 1: "x"}


def test_a_constant_operand_has_the_grid_of_activations() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Relu", ["c"], "r"), node("Mul", ["r", "k"], "y")]
    plan = planned(
        build(nodes, {"x": [1, 4, 4, 4]}, {"y": [1, 6, 4, 4]}, {"w": random(6, 4, 1, 1), "k": models.ONE * 2})
    )
    weight = plan.layers["mul_y"].weights[0]
    assert (weight.tensor, weight.index, weight.axis) == ("k", 1, None)
    assert weight.grid == target("x86-vnni").activations.grid


@pytest.mark.parametrize("to", ["x86-vnni", "arm-neon", "octavo", "fbgemm"])
def test_movers_share_their_source(to: str) -> None:
    plan = planned(models.movers(), to)
    moved = ["t", "r", "s", "p", "q"]
    assert {plan.tensors[name].source for name in moved} == {"c"}
    assert plan.sources == ["x", "c"]
    assert len({(t.grid, t.symmetric) for name, t in plan.tensors.items() if name in moved}) == 1


def test_movers_in_front_of_a_layer_are_hoisted() -> None:
    plan = planned(models.mover_first())
    assert sorted(roles(plan)) == [("Conv", "compute"), ("Reshape", "move"), ("Transpose", "move")]
    assert plan.sources == ["x", "y"]
    assert plan.tensors["r"].source == "x"


def test_a_mover_with_a_float_reader_stays_in_float() -> None:
    nodes = [
        node("Transpose", ["x"], "t", perm=[0, 3, 1, 2]),
        node("Conv", ["t", "w"], "y"),
        node("Exp", ["t"], "z"),
    ]
    output = {"y": [1, 6, 4, 4], "z": [1, 4, 4, 4]}
    plan = planned(build(nodes, {"x": [1, 4, 4, 4]}, output, {"w": random(6, 4, 1, 1)}))
    assert "Transpose" in {left.op for left in plan.left_float}
    assert plan.sources == ["t", "y"]


def test_a_mover_that_is_an_output_stays_in_float() -> None:
    nodes = [node("Transpose", ["x"], "t", perm=[0, 3, 1, 2]), node("Conv", ["t", "w"], "y")]
    output = {"y": [1, 6, 4, 4], "t": [1, 4, 4, 4]}
    plan = planned(build(nodes, {"x": [1, 4, 4, 4]}, output, {"w": random(6, 4, 1, 1)}))
    assert [left.op for left in plan.left_float] == ["Transpose"]


def test_a_mover_behind_the_last_layer_stays_in_float_without_pairs_behind() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Transpose", ["c"], "y", perm=[0, 2, 3, 1])]
    model = build(nodes, {"x": [1, 4, 4, 4]}, {"y": [1, 4, 4, 6]}, {"w": random(6, 4, 1, 1)})
    assert [left.op for left in planned(model, "nvidia-tensorrt").left_float] == ["Transpose"]
    assert planned(model).layers["transpose_y"].role == "move"


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
    plan = planned(build(nodes, {"x": ["N", 3, 8]}, {"m": ["N", 3, 4], "y": ["N", 6, 4]}, weights), to)
    assert reason(plan, "Expand") in ("all its inputs are constants", f"{to} has no integer Expand")
    assert {"matmul_m", "matmul_y"} <= set(plan.layers)


def test_the_indices_of_a_max_pool_keep_it_in_float() -> None:
    plan = planned(models.pool_with_indices())
    assert "places" not in plan.tensors
    assert "indices of the maxima" in reason(plan, "MaxPool")
