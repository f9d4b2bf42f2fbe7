"""Quantized models: valid, close to the float model, and with Q/DQ pairs where their target needs them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tests.helpers import models
from tests.helpers.models import PATTERNS, STEPS, Arrays, build, chain, feeds, node, random, run
from tests.helpers.plain_quantization import SEEDS, Quantized, quantized

from octavo.affine import Grid, bias_scale, dequantize, params_from_range
from octavo.errors import ModelError
from octavo.graph import prepare
from octavo.graph.plan import make_plan
from octavo.graph.preflight import violations
from octavo.graph.proof import prove
from octavo.graph.weights import quantize_constants
from octavo.targets import target, target_names, this_machine

INTEGER = [name for name in target_names() if not target(name).weights_only]
BEHIND = [name for name in target_names() if target(name).behind]
# Root mean square error divided by the output's standard deviation; 7 bits and min-max ranges have the largest.
TOLERANCE = {"fbgemm": 0.08}
MARGIN = 0.05


def _initializers(model: onnx.ModelProto) -> Arrays:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _pairs(model: onnx.ModelProto, op: str) -> Iterator[onnx.NodeProto]:
    return (n for n in model.graph.node if n.op_type == op)


def _producer(model: onnx.ModelProto, name: str) -> onnx.NodeProto | None:
    return next((n for n in model.graph.node if name in n.output), None)


def _readers(model: onnx.ModelProto, name: str) -> list[str]:
    return [n.op_type for n in model.graph.node if name in n.input]


@pytest.fixture(scope="module", params=[(p, t) for p in PATTERNS for t in INTEGER], ids="-".join)
def case(request: pytest.FixtureRequest) -> Quantized:
    """Every pattern on every target that has integer operators."""
    pattern, name = request.param
    return quantized(PATTERNS[pattern](), name)


def test_the_model_is_valid_and_keeps_its_interface(case: Quantized) -> None:
    quantized_model = case.proto
    onnx.checker.check_model(quantized_model, full_check=True)
    before = ir.to_proto(case.prepared)
    assert list(quantized_model.graph.input) == list(before.graph.input)
    assert list(quantized_model.graph.output) == list(before.graph.output)
    assert quantized_model.opset_import == before.opset_import
    names = [n.name for n in quantized_model.graph.node]
    assert len(set(names)) == len(names)
    assert {n.name for n in before.graph.node} <= set(names)


def test_preflight_and_proofs_report_no_problem(case: Quantized) -> None:
    assert list(violations(case.result, case.plan.target)) == []
    assert all(p.holds for p in prove(case.prepared, case.plan, case.activations, case.constants))


def test_outputs_are_close_to_the_float_models(case: Quantized) -> None:
    quantized_model, name = case.proto, case.plan.target.name
    for seed in SEEDS:
        inputs = feeds(case.model, seed)
        expected, actual = run(case.model, inputs), run(quantized_model, inputs)
        assert list(expected) == list(actual)
        for key, values in expected.items():
            assert actual[key].dtype == values.dtype
            assert actual[key].shape == values.shape
            if values.dtype == np.float32:
                error = np.sqrt(np.mean((actual[key] - values) ** 2)) / values.std()
                assert error < TOLERANCE.get(name, MARGIN)


# Weights for targets of other processors may saturate 16-bit sums on this one.
@pytest.mark.parametrize("to", sorted({"fbgemm", "x86-avx2", this_machine()}))
@pytest.mark.parametrize("name", PATTERNS)
def test_the_engines_own_integer_kernels_agree(name: str, to: str) -> None:
    """ONNX Runtime fuses Q/DQ into integer operators; requantization may differ by a step for a few elements."""
    case = quantized(PATTERNS[name](), to)
    inputs = feeds(case.model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(case.proto.SerializeToString(), options)
    plain = run(case.proto, inputs)
    for values, fused in zip(plain.values(), session.run(None, inputs), strict=True):
        if values.dtype == np.float32:
            assert np.sqrt(np.mean((fused - values) ** 2)) / values.std() < MARGIN


def test_every_tensor_is_on_its_planned_grid(case: Quantized) -> None:
    proto, constants = case.proto, _initializers(case.proto)
    types = {t.name: t.data_type for t in proto.graph.initializer}
    for pair in _pairs(proto, "QuantizeLinear"):
        params = case.activations[pair.name.removesuffix("_QuantizeLinear")]
        assert constants[pair.input[1]] == params.scale
        assert constants[pair.input[2]] == params.zero_point
        assert types[pair.input[2]] == TensorProto.DataType.Value(params.grid.dtype.upper())
        dequantize_node = next(n for n in _pairs(proto, "DequantizeLinear") if n.input[0] == pair.output[0])
        assert dequantize_node.input[1:] == pair.input[1:]


def test_no_float_copies_of_integer_weights_are_left(case: Quantized) -> None:
    proto = case.proto
    used = {name for n in proto.graph.node for name in n.input} | {v.name for v in proto.graph.output}
    used |= {name for n in proto.graph.node for a in n.attribute for m in a.g.node for name in m.input}
    assert set(_initializers(proto)) <= used


def test_the_float_model_is_not_modified() -> None:
    case = quantized(models.residual(), "octavo")
    repeated = quantized(models.residual(), "octavo")
    assert ir.to_proto(case.prepared).SerializeToString(deterministic=True) == ir.to_proto(
        repeated.prepared
    ).SerializeToString(deterministic=True)
    assert case.proto.SerializeToString(deterministic=True) == repeated.proto.SerializeToString(deterministic=True)


def test_metadata_are_kept() -> None:
    model = models.conv_relu()
    helper.set_model_props(model, {"author": "somebody"})
    proto = quantized(model, "octavo").proto
    assert [(p.key, p.value) for p in proto.metadata_props] == [("author", "somebody")]
    assert proto.producer_name == "tests"


# Pairs before and after layers


@pytest.mark.parametrize("to", BEHIND)
def test_all_readers_of_an_integer_layer_read_its_rounded_output(to: str) -> None:
    proto = quantized(models.residual(), to).proto
    for name in ("r", "d"):
        assert _readers(proto, name) == ["QuantizeLinear"]
    last = _producer(proto, "y")
    assert last is not None
    assert last.op_type == "DequantizeLinear"


@pytest.mark.parametrize("to", BEHIND)
def test_there_is_no_pair_between_a_layer_and_its_activation(to: str) -> None:
    proto = quantized(models.conv_relu(), to).proto
    assert _readers(proto, "c") == ["Relu"]


def test_tensorrt_reads_integers_and_writes_floats() -> None:
    proto = quantized(models.residual(), "nvidia-tensorrt").proto
    assert [n.op_type for n in proto.graph.node if not n.op_type.endswith("Linear")] == [
        "Conv",
        "Relu",
        "Conv",
        "Add",
        "Relu",
    ]
    # Conv, Add and Relu are fused if the convolution's branch of the Add is float.
    add = next(_pairs(proto, "Add"))
    assert add.input[0] == "d"
    skip = _producer(proto, add.input[1])
    assert skip is not None
    assert skip.op_type == "DequantizeLinear"
    last = _producer(proto, "y")
    assert last is not None
    assert last.op_type == "Relu"


@pytest.mark.parametrize("name", PATTERNS)
def test_tensorrt_is_symmetric_along_axis_0_with_float_bias(name: str) -> None:
    case = quantized(PATTERNS[name](), "nvidia-tensorrt")
    proto, constants = case.proto, _initializers(case.proto)
    read = {tensor for layer in case.plan.layers.values() for tensor in layer.inputs.values()}
    for pair in proto.graph.node:
        if not pair.op_type.endswith("QuantizeLinear") and pair.op_type != "DequantizeLinear":
            continue
        zero_point = constants[pair.input[2]]
        assert zero_point.dtype == np.int8
        assert not zero_point.any()
        axes = [a.i for a in pair.attribute if a.name == "axis"]
        assert axes in ([], [0])
        assert (constants[pair.input[1]].ndim == 1) == (axes == [0])
        if pair.op_type == "QuantizeLinear":
            assert pair.input[0] in read
    for layer in _pairs(proto, "Conv"):
        assert len(layer.input) < 3 or constants[layer.input[2]].dtype == np.float32


def test_gemm_weights_are_transposed_for_tensorrt() -> None:
    case = quantized(models.mlp(), "nvidia-tensorrt")
    first, second = _pairs(case.proto, "Gemm")
    assert [(a.name, a.i) for a in first.attribute] == [("transB", 1)]
    assert [(a.name, a.i) for a in second.attribute] == [("transB", 1)]
    assert _initializers(case.proto)["w1_quantized"].shape == (24, 16)


def test_a_tensor_with_many_readers_is_quantized_once() -> None:
    proto = quantized(models.attention(), "x86-vnni").proto
    assert len([p for p in _pairs(proto, "QuantizeLinear") if p.input[0] == "x"]) == 1


def test_shared_weights_with_the_same_integers_are_stored_once() -> None:
    proto = quantized(models.shared_weights(), "octavo").proto
    stored = [name for name, array in _initializers(proto).items() if array.shape == (8, 8, 3, 3)]
    assert stored == ["w_quantized"]
    # The biases differ, since the inputs of the two layers have different scales.
    assert {n.input[0] for n in _pairs(proto, "DequantizeLinear") if n.input[0].startswith("b_")} == {
        "b_quantized",
        "b_quantized_2",
    }


def test_embeddings_store_integers_and_dequantize_the_rows_read() -> None:
    proto = quantized(models.embedding(), "octavo").proto
    gather = next(_pairs(proto, "Gather"))
    table = _initializers(proto)[gather.input[0]]
    assert table.dtype == np.int8
    assert _readers(proto, gather.output[0]) == ["DequantizeLinear"]


def test_an_embedding_that_is_the_output() -> None:
    model = build(
        [node("Gather", ["table", "ids"], "y")],
        {"ids": ["N"]},
        {"y": ["N", 16]},
        {"table": random(8, 16)},
        input_types={"ids": TensorProto.INT64},
    )
    case = quantized(model, "octavo")
    onnx.checker.check_model(case.proto, full_check=True)
    assert list(case.proto.graph.output) == list(model.graph.output)
    inputs = feeds(model)
    np.testing.assert_allclose(run(case.proto, inputs)["y"], run(model, inputs)["y"], atol=0.02)


def test_subgraphs_read_the_rounded_output_of_the_preceding_layer() -> None:
    case = quantized(models.if_subgraph(), "octavo")
    branch = next(_pairs(case.proto, "If")).attribute[0].g
    name = branch.node[0].input[0]
    producer = _producer(case.proto, name)
    assert producer is not None
    assert producer.op_type == "DequantizeLinear"


@pytest.mark.parametrize("to", target_names())
def test_excluded_layers_behind_integer_ones(to: str) -> None:
    case = quantized(models.conv_relu(), to, ["conv_y"])
    onnx.checker.check_model(case.proto, full_check=True)
    assert list(violations(case.result, case.plan.target)) == []
    inputs = feeds(case.model)
    np.testing.assert_allclose(run(case.proto, inputs)["y"], run(case.model, inputs)["y"], atol=0.1)


def test_existing_names_are_not_reused() -> None:
    nodes = [
        node("Conv", ["x", "w"], "x_quantized"),
        node("Conv", ["x_quantized", "w_quantized"], "x_scale"),
        node("Relu", ["x_scale"], "x_quantized_dequantized"),
    ]
    nodes[0].name = "x_QuantizeLinear"
    weights = {"w": random(4, 4, 1, 1), "w_quantized": random(4, 4, 1, 1, seed=1)}
    model = build(nodes, {"x": [1, 4, 4, 4]}, {"x_quantized_dequantized": [1, 4, 4, 4]}, weights)
    proto = quantized(model, "octavo").proto
    onnx.checker.check_model(proto, full_check=True)
    inputs = feeds(model)
    key = "x_quantized_dequantized"
    np.testing.assert_allclose(run(proto, inputs)[key], run(model, inputs)[key], atol=0.1)


def test_a_quantized_output_with_readers_in_the_graph() -> None:
    model = models.conv_relu()
    model.graph.output.insert(0, helper.make_tensor_value_info("r", TensorProto.FLOAT, ["N", 8, 8, 8]))
    proto = quantized(model, "octavo").proto
    onnx.checker.check_model(proto, full_check=True)
    assert list(proto.graph.output) == list(model.graph.output)
    inputs = feeds(model)
    expected, actual = run(model, inputs), run(proto, inputs)
    assert all(np.abs(expected[key] - actual[key]).max() < 0.1 for key in expected)


# Integers of weights and biases


@pytest.mark.parametrize("to", INTEGER)
@pytest.mark.parametrize("name", PATTERNS)
def test_weights_are_on_their_grid_with_an_error_of_at_most_half_a_step(name: str, to: str) -> None:
    case = quantized(PATTERNS[name](), to)
    floats = {v.name: v.const_value.numpy() for v in case.prepared.graph.initializers.values() if v.const_value}
    for layer in case.plan.layers.values():
        for weight in layer.weights:
            constant, array = case.constants[layer.name, weight.index], floats[weight.tensor]
            grid = case.plan.target.activations.grid if layer.role == "carry" else case.plan.target.weights
            assert constant.params.grid == grid
            assert constant.integers.min() >= grid.qmin
            assert constant.integers.max() <= grid.qmax
            dequantized = dequantize(constant.integers, constant.params)
            worst = np.abs((dequantized.T if constant.transposed else dequantized) - array).max()
            assert worst <= constant.params.scale.max() * (0.5 if to != "fbgemm" else 1.0) * 1.001
            if layer.role != "carry" and case.plan.target.per_channel and weight.axis is not None:
                assert constant.params.scale.shape == (array.shape[weight.axis],)


def test_weights_for_avx2_cannot_saturate_sixteen_bits() -> None:
    case = quantized(models.residual(), "x86-avx2")
    for (_, index), constant in case.constants.items():
        if index == 1:
            flat = np.abs(constant.integers.astype(np.int32)).reshape(-1)
            assert 2 * 255 * flat.max() < 2**15


@pytest.mark.parametrize("to", BEHIND)
def test_biases_have_the_scale_of_the_accumulator(to: str) -> None:
    case = quantized(models.conv_relu(), to)
    bias = case.constants["conv_y", 2]
    weight, data = case.constants["conv_y", 1], case.activations["r"]
    assert bias.params.grid == Grid.parse("int32")
    assert bias.params.scale.shape == (6,)
    assert np.all(bias.params.scale == bias_scale(data.scale, weight.params.scale))
    assert np.abs(dequantize(bias.integers, bias.params) - random(6)).max() <= bias.params.scale.max() / 2 * 1.01
    pair = next(n for n in _pairs(case.proto, "DequantizeLinear") if n.input[0] == "b2_quantized")
    assert len(pair.input) == 2


@pytest.mark.parametrize("to", BEHIND)
@pytest.mark.parametrize("size", [1e-3, 1e-12, 1e-30, 1e-38])
@pytest.mark.parametrize("pattern", ["conv_relu", "mlp", "transposed_conv"])
def test_biases_never_overflow_for_any_scale(to: str, size: float, pattern: str) -> None:
    """With weights far smaller than the bias, the bias would exceed 32 bits; the weight scale is widened."""
    model = PATTERNS[pattern]()
    if not {"Conv", "ConvTranspose", "Gemm"} & {n.op_type for n in model.graph.node} <= target(to).compute:
        pytest.skip(f"{to} computes this operator in float")
    for tensor in model.graph.initializer:
        if tensor.name in ("w", "w1", "w2"):
            array = numpy_helper.to_array(tensor) * np.float32(size)
            tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float32), tensor.name))
    case = quantized(model, to)
    biases = [bias for bias in case.constants.values() if bias.params.grid.dtype == "int32"]
    assert biases
    for bias in biases:
        assert np.abs(bias.integers.astype(np.int64)).max() <= 2**30 + 1
        assert np.all(bias.params.scale >= np.finfo(np.float32).tiny)
    assert all(p.holds for p in prove(case.prepared, case.plan, case.activations, case.constants))
    inputs = feeds(model)
    expected, actual = run(model, inputs)["y"], run(case.proto, inputs)["y"]
    assert np.abs(expected - actual).max() < 0.05


@pytest.mark.parametrize("to", [name for name in INTEGER if "MatMul" in target(name).compute])
def test_the_accumulator_step_is_a_normal_number_without_bias_too(to: str) -> None:
    tiny = np.float32(1e-36)
    model = build([node("MatMul", ["x", "w"], "y")], {"x": [4, 8]}, {"y": [4, 6]}, {"w": random(8, 6) * tiny})
    case = quantized(model, to)
    step = case.activations["x"].scale * case.constants["matmul_y", 1].params.scale
    assert np.all(step >= np.finfo(np.float32).tiny)


@pytest.mark.parametrize("index", [2, 3])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_constants_that_are_not_finite(index: int, value: float) -> None:
    model = models.conv_relu()
    tensor = model.graph.initializer[index]
    array = numpy_helper.to_array(tensor).copy()
    array.flat[1] = value
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    with pytest.raises(ModelError, match=f"constant '{tensor.name}' of Conv 'conv_y' holds NaN") as caught:
        _constants(model, 1.0)
    assert "\n" not in str(caught.value)


def test_a_bias_that_fits_no_scale() -> None:
    model = models.conv_relu()
    tensor = model.graph.initializer[3]
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1e30), "b2"))
    with pytest.raises(ModelError, match="Conv 'conv_y': the bias of channel 0 does not fit int32"):
        _constants(model, 1e-36)


def _constants(model: onnx.ModelProto, reach: float) -> None:
    """Quantize the constants of a model whose activations are all in [-reach, reach]."""
    prepared = prepare(ir.from_proto(model))
    plan = make_plan(prepared, target("octavo"))
    activations = {name: params_from_range(-reach, reach, tensor.grid) for name, tensor in plan.tensors.items()}
    quantize_constants(prepared, plan, activations)


@pytest.mark.parametrize("opset", [7, 11, 13, 19, 21, 23])
@pytest.mark.parametrize("to", target_names())
def test_models_of_every_opset(opset: int, to: str) -> None:
    case = quantized(models.conv_batch_norm(opset=opset), to)
    onnx.checker.check_model(case.proto, full_check=True)
    inputs = feeds(case.model)
    np.testing.assert_allclose(run(case.proto, inputs)["y"], run(case.model, inputs)["y"], atol=0.15)


def test_a_grouped_transposed_convolution_repeats_its_scales() -> None:
    case = quantized(models.transposed_batch_norm(), "octavo")
    weight, bias = case.constants["convtranspose_c", 1], case.constants["convtranspose_c", 2]
    assert weight.params.scale.shape == (3,)
    assert bias.params.scale.shape == (6,)
    assert np.array_equal(bias.params.scale[:3], bias.params.scale[3:])


def test_constants_of_carried_operators() -> None:
    nodes = [node("Conv", ["x", "w"], "c"), node("Relu", ["c"], "r"), node("Mul", ["r", "k"], "y")]
    model = build(nodes, {"x": [1, 4, 4, 4]}, {"y": [1, 6, 4, 4]}, {"w": random(6, 4, 1, 1), "k": models.ONE * 2})
    for to in [name for name in BEHIND if target(name).role("Mul") == "carry"]:
        case = quantized(model, to)
        factor = case.constants["mul_y", 1]
        assert factor.params.grid == case.plan.target.activations.grid
        assert dequantize(factor.integers, factor.params) == pytest.approx(2.0, rel=0.01)
        onnx.checker.check_model(case.proto, full_check=True)


@pytest.mark.parametrize("to", [name for name in target_names() if 16 in target(name).activation_widths])
@pytest.mark.parametrize("name", PATTERNS)
def test_activations_of_sixteen_bits(name: str, to: str) -> None:
    case = quantized(PATTERNS[name](), target(to).with_bits(activations=16))
    onnx.checker.check_model(case.proto, full_check=True)
    assert list(violations(case.result, case.plan.target)) == []
    assert prove(case.prepared, case.plan, case.activations, case.constants) == []
    assert not any(constant.params.grid.dtype == "int32" for constant in case.constants.values())
    pairs = list(_pairs(case.proto, "QuantizeLinear"))
    assert not pairs or case.result.opset_imports[""] >= 21
    inputs = feeds(case.model)
    expected, actual = run(case.model, inputs), run(case.proto, inputs)
    for key, values in expected.items():
        if values.dtype == np.float32:
            assert np.sqrt(np.mean((actual[key] - values) ** 2)) / values.std() < MARGIN


@settings(max_examples=60)
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=8), st.sampled_from(INTEGER), st.data())
def test_any_chain_on_any_target(steps: list[str], to: str, data: st.DataObject) -> None:
    """Every plan can be placed; the model is valid, follows the rules of the target, and runs."""
    model = chain(steps, data.draw(st.sets(st.integers(1, len(steps)), max_size=2)))
    exclude = data.draw(st.sets(st.sampled_from([n.name for n in model.graph.node]), max_size=2))
    names = {n.name for n in prepare(ir.from_proto(model)).graph}
    case = quantized(model, to, sorted(exclude & names))
    onnx.checker.check_model(case.proto, full_check=True)
    assert list(case.proto.graph.output) == list(model.graph.output)
    assert list(violations(case.result, case.plan.target)) == []
    assert all(p.holds for p in prove(case.prepared, case.plan, case.activations, case.constants))
    inputs = feeds(model)
    expected, actual = run(model, inputs), run(case.proto, inputs)
    for key, values in expected.items():
        assert actual[key].shape == values.shape
        assert np.abs(actual[key] - values).max() <= 0.3 * max(np.abs(values).max(), 1.0)
