"""Models on which other quantizers crash or lose their accuracy, each from the float model to ONNX Runtime."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.helpers.models import (
    Arrays,
    batch_norm_weights,
    build,
    feeds,
    initializer_as_input,
    node,
    odd_names,
    random,
    run,
)

import octavo
from octavo.affine.bias import BIAS_LIMIT
from octavo.affine.params import SMALLEST_SCALE
from octavo.engines.onnxruntime import Session
from octavo.pipeline.result import QuantizationResult
from octavo.targets import target, target_names
from octavo.targets.detect import this_machine

# A target of weights alone in 4 bits has its own file of tests.
INTEGER = [name for name in target_names() if not target(name).weights_only]
# Eight bits on Gaussian numbers leave some 40 dB after one layer; a layer that is wrong leaves less than 10.
FLOOR = 30.0
# Activations on half of the levels, weights of seven bits, or one scale for all channels, cost up to 6 dB.
FLOORS = {name: FLOOR - 6.0 * (name in ("fbgemm", "per-tensor", "x86-avx2")) for name in INTEGER}
SAMPLES = 64

CONV = {"w": random(8, 4, 3, 3), "b": random(8), "v": random(6, 8, 1, 1), "d": random(6)}


def quantized(model: onnx.ModelProto | Path, samples: Any, to: str | None = None, **options: Any) -> QuantizationResult:
    """The result for this machine, unless another target is named; the model is held against ONNX's checker.

    TensorRT's own estimator clips what these tests compare, so that target gets another one.
    """
    if to == "nvidia-tensorrt":
        options.setdefault("estimator", "mse")
    result = octavo.quantize(model, samples, to or this_machine(), verify=False, threads=1, **options)
    onnx.checker.check_model(ir.to_proto(result.model), full_check=True)
    return result


def engine(result: QuantizationResult, inputs: Mapping[str, Any]) -> Arrays:
    """The quantized model's outputs in ONNX Runtime, whose own rewriting is on as it is for users."""
    return Session(result.model, threads=1).run(inputs)


def sqnr(expected: np.ndarray, given: np.ndarray) -> float:
    """10 log10(sum x^2 / sum (x - y)^2)."""
    x, y = expected.astype(np.float64), given.astype(np.float64)
    noise = ((x - y) ** 2).sum()
    return float(10 * np.log10((x**2).sum() / noise)) if noise else np.inf


def losses(model: onnx.ModelProto, result: QuantizationResult, inputs: Arrays) -> dict[str, float]:
    """The SQNR of every output; names, order, types and shapes must be the float model's."""
    expected, given = run(model, inputs), engine(result, inputs)
    assert list(given) == list(expected) == [value.name for value in model.graph.output]
    for name, values in expected.items():
        assert (given[name].dtype, given[name].shape) == (values.dtype, values.shape)
    return {name: sqnr(values, given[name]) for name, values in expected.items()}


def worst(model: onnx.ModelProto, result: QuantizationResult, seed: int = 99) -> float:
    """The smallest SQNR of any output, on numbers that were not calibrated on."""
    return min(losses(model, result, feeds(model, seed, SAMPLES)).values())


def conv_net(extra: Sequence[onnx.NodeProto] = (), weights: Arrays | None = None) -> onnx.ModelProto:
    """Conv, Relu, Conv; nodes in `extra` go in front."""
    nodes = [
        *extra,
        node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "v", "d"], "y"),
    ]
    return build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 6, 6, 6]}, weights or CONV)


@pytest.mark.parametrize("value", [0.0, 3.0, -3.0])
@pytest.mark.parametrize("to", INTEGER)
def test_a_layer_whose_result_never_changes(value: float, to: str) -> None:
    nodes = [
        node("Conv", ["x", "zeros", "constant"], "c", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], "r"),
        node("Conv", ["x", "w", "b"], "e", pads=[1, 1, 1, 1]),
        node("Add", ["r", "e"], "s"),
        node("Conv", ["r", "v", "d"], "dead"),
        node("Conv", ["s", "v", "d"], "y"),
    ]
    weights = {**CONV, "zeros": np.zeros((8, 4, 3, 3), np.float32), "constant": np.full(8, value, np.float32)}
    outputs = {"y": ["N", 6, 6, 6], "dead": ["N", 6, 6, 6]}
    model = build(nodes, {"x": ["N", 4, 6, 6]}, outputs, weights)
    assert worst(model, quantized(model, feeds(model, batch=SAMPLES), to)) > FLOORS[to]


@pytest.mark.parametrize("value", [0.0, 1.0, -2.5])
@pytest.mark.parametrize("estimator", ["minmax", "percentile:99.9", "mse", "moving_average"])
def test_inputs_that_never_change(value: float, estimator: str) -> None:
    model = conv_net()
    samples = {"x": np.full((SAMPLES, 4, 6, 6), value, np.float32)}
    result = quantized(model, samples, estimator=estimator)
    assert losses(model, result, samples)["y"] > FLOORS[this_machine()]


@pytest.mark.parametrize("factor", [1e4, 1e30])
def test_one_huge_sample(factor: float) -> None:
    """The default keeps the huge sample and the diagnosis tells of it; percentiles leave it out and keep the rest."""
    model = conv_net()
    ordinary = feeds(model, batch=1000)["x"]
    samples = {"x": ordinary.copy()}
    samples["x"][500] *= np.float32(factor)
    kept = octavo.quantize(model, samples, this_machine(), threads=1)
    assert losses(model, kept, samples)["y"] > FLOORS[this_machine()]
    clipped = quantized(model, samples, estimator="percentile:99.5")
    assert losses(model, clipped, {"x": ordinary})["y"] > 20
    told = [cause for found in kept.diagnosis for cause in found.causes]
    assert any("calibration samples hold outliers" in cause for cause in told), told


def test_a_bias_beyond_32_bits_widens_the_scale_of_its_channel_alone() -> None:
    weights = {name: array.copy() for name, array in CONV.items()}
    weights["w"][2] *= np.float32(1e-10)
    weights["b"][2] = 5.0
    model = conv_net(weights=weights)
    result = quantized(model, feeds(model, batch=SAMPLES))
    first = next(layer for layer in result.layers if layer.name == "conv_c")
    report = next(weight for weight in first.weights if weight.tensor == "w")
    bound = int(report.grid.removesuffix("]").split(",")[1])
    natural = np.abs(weights["w"]).max(axis=(1, 2, 3)) / bound
    assert report.scale[2] > 100 * natural[2]
    np.testing.assert_allclose(np.delete(report.scale, 2), np.delete(natural, 2), rtol=1e-6)
    biases = [t for t in ir.to_proto(result.model).graph.initializer if t.data_type == TensorProto.INT32]
    assert biases
    assert all(np.abs(numpy_helper.to_array(tensor).astype(np.int64)).max() <= BIAS_LIMIT for tensor in biases)
    assert worst(model, result) > FLOORS[this_machine()]


@pytest.mark.parametrize(("reach", "bias"), [(1e-10, 0.0), (1e-20, 0.0), (1e-26, 0.0), (1e-32, 0.1)])
@pytest.mark.parametrize("to", [name for name in INTEGER if target(name).rule != "pytorch"])
def test_tiny_numbers(reach: float, bias: float, to: str) -> None:
    """Down to where input scale times weight scale leaves float32's normal numbers, and only the bias is left."""
    zeros = {"b": np.zeros(8, np.float32), "d": np.full(6, bias, np.float32)}
    model = conv_net(weights={**CONV, "w": CONV["w"] * np.float32(1e-6), **zeros})
    samples = {"x": feeds(model, batch=SAMPLES)["x"] * np.float32(reach)}
    result = quantized(model, samples, to)
    scales = [t for t in ir.to_proto(result.model).graph.initializer if t.name.endswith("_scale")]
    assert all(numpy_helper.to_array(tensor).min() >= np.float32(SMALLEST_SCALE) for tensor in scales)
    assert losses(model, result, samples)["y"] > FLOORS[to]


BIAS_NODES = {
    "Identity": (node("Identity", ["stored"], "b"), CONV["b"]),
    "Cast": (node("Cast", ["stored"], "b", to=TensorProto.FLOAT), CONV["b"].astype(np.float64)),
    "Reshape": (node("Reshape", ["stored", "eight"], "b"), CONV["b"].reshape(1, 8, 1)),
    "Mul": (node("Mul", ["stored", "two"], "b"), CONV["b"] / 2),
}


@pytest.mark.parametrize("op", BIAS_NODES)
def test_a_bias_that_comes_through_another_node(op: str) -> None:
    extra, stored = BIAS_NODES[op]
    other = {"Reshape": {"eight": np.array([8], np.int64)}, "Mul": {"two": np.full(1, 2, np.float32)}}.get(op, {})
    weights = {**{name: array for name, array in CONV.items() if name != "b"}, "stored": stored, **other}
    model = conv_net([extra], weights)
    result = quantized(model, feeds(model, batch=SAMPLES))
    assert [layer.name for layer in result.layers if layer.op == "Conv"] == ["conv_c", "conv_y"]
    assert worst(model, result) > FLOORS[this_machine()]


@pytest.mark.parametrize("to", INTEGER)
def test_a_bias_that_is_computed_from_an_input(to: str) -> None:
    nodes = [
        node("ReduceMax", ["x"], "b", axes=[0, 2, 3], keepdims=0),
        node("Conv", ["x", "w", "b"], "c"),
        node("Relu", ["c"], "y"),
    ]
    model = build(nodes, {"x": ["N", 8, 6, 6]}, {"y": ["N", 8, 4, 4]}, {"w": random(8, 8, 3, 3)})
    result = quantized(model, feeds(model, batch=SAMPLES), to)
    assert [layer.name for layer in result.layers if layer.op == "Conv"] == ["conv_c"]
    assert worst(model, result) > FLOORS[to]


@pytest.mark.parametrize(
    "to", [name for name in INTEGER if "Gemm" in target(name).float_output and target(name).per_channel]
)
def test_weights_shared_by_a_layer_and_its_transpose(to: str) -> None:
    """Each of the two needs scales along another axis of the same tensor."""
    decades = np.logspace(-2, 0, 16, dtype=np.float32)
    weights = {"w": random(16, 16) * decades * decades[::-1, None]}
    nodes = [node("Gemm", ["x", "w"], "straight"), node("Gemm", ["x", "w"], "turned", transB=1)]
    model = build(nodes, {"x": ["N", 16]}, {"straight": ["N", 16], "turned": ["N", 16]}, weights)
    result = quantized(model, feeds(model, batch=SAMPLES), to)
    inputs = feeds(model, 99, SAMPLES)
    expected, given = run(model, inputs), engine(result, inputs)
    for name in ("straight", "turned"):
        assert min(map(sqnr, expected[name].T, given[name].T)) > FLOORS[to]


@pytest.mark.parametrize("to", INTEGER)
def test_one_tensor_for_an_integer_and_a_float_reader(to: str) -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1]),
        node("Exp", ["x"], "of_input"),
        node("Softmax", ["c"], "of_result", axis=1),
        node("Conv", ["c", "v", "d"], "y"),
    ]
    outputs = {"y": ["N", 6, 6, 6], "of_input": ["N", 4, 6, 6], "of_result": ["N", 8, 6, 6]}
    model = build(nodes, {"x": ["N", 4, 6, 6]}, outputs, CONV)
    result = quantized(model, feeds(model, batch=SAMPLES), to)
    assert {left.op for left in result.left_float} >= {"Exp", "Softmax"}
    found = losses(model, result, feeds(model, 99, SAMPLES))
    assert min(found.values()) > FLOORS[to]
    assert found["of_input"] == np.inf, "a float operator on a float input must not be rounded"


@pytest.mark.parametrize("ratio", [10.0, 1000.0])
@pytest.mark.parametrize("to", INTEGER)
def test_a_residual_sum_of_different_scales(ratio: float, to: str) -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "large"], "e"),
        node("Add", ["r", "e"], "s"),
        node("Relu", ["s"], "t"),
        node("Conv", ["t", "v", "d"], "y"),
    ]
    weights = {**CONV, "large": random(8, 8, 1, 1, spread=ratio)}
    model = build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 6, 6, 6]}, weights)
    assert worst(model, quantized(model, feeds(model, batch=SAMPLES), to)) > FLOORS[to]


@pytest.mark.parametrize("ratio", [10.0, 1000.0])
@pytest.mark.parametrize("to", INTEGER)
def test_parts_of_different_scales_joined(ratio: float, to: str) -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], "small", pads=[1, 1, 1, 1]),
        node("Conv", ["x", "large"], "c"),
        node("Relu", ["c"], "big"),
        node("Concat", ["small", "big"], "j", axis=1),
        node("Conv", ["j", "v"], "y"),
    ]
    weights = {"w": CONV["w"], "b": CONV["b"], "large": random(8, 4, 1, 1, spread=ratio), "v": random(6, 16, 1, 1)}
    model = build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 6, 6, 6], "j": ["N", 16, 6, 6]}, weights)
    assert worst(model, quantized(model, feeds(model, batch=SAMPLES), to)) > FLOORS[to]


@pytest.mark.parametrize("to", INTEGER)
def test_outputs_that_are_on_grids_keep_names_types_and_order(to: str) -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], "r"),
        node("MaxPool", ["r"], "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("ArgMax", ["p"], "place", axis=1, keepdims=0),
        node("Transpose", ["p"], "moved", perm=[0, 2, 3, 1]),
        node("Conv", ["p", "v", "d"], "late"),
        node("Shape", ["late"], "shape"),
    ]
    outputs = {
        "late": ["N", 6, 3, 3],
        "place": ["N", 3, 3],
        "c": ["N", 8, 6, 6],
        "moved": ["N", 3, 3, 8],
        "shape": [4],
        "r": ["N", 8, 6, 6],
    }
    types = {"place": TensorProto.INT64, "shape": TensorProto.INT64}
    model = build(nodes, {"x": ["N", 4, 6, 6]}, outputs, CONV, output_types=types)
    result = quantized(model, feeds(model, batch=SAMPLES), to)
    assert list(ir.to_proto(result.model).graph.output) == list(model.graph.output)
    found = losses(model, result, feeds(model, 99, SAMPLES))
    assert found["shape"] == np.inf
    assert min(found[name] for name in ("late", "c", "moved", "r")) > FLOORS[to]


@pytest.mark.parametrize("opset", [7, 17])
def test_weights_listed_among_the_inputs(opset: int) -> None:
    model = initializer_as_input(opset)
    if opset == 7:
        listed = {value.name for value in model.graph.input}
        rest = [tensor for tensor in model.graph.initializer if tensor.name not in listed]
        model.graph.input.extend(helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in rest)
        model.ir_version = 3
        onnx.checker.check_model(model)
    result = quantized(model, feeds(model, batch=SAMPLES))
    assert [value.name for value in result.model.graph.inputs] == ["x"]
    assert worst(model, result) > FLOORS[this_machine()]


def of_opset(opset: int) -> onnx.ModelProto:
    """A net of operators whose inputs and attributes changed from opset to opset."""
    constants: Arrays = {**CONV, **batch_norm_weights(8), "g": random(6, 6), "h": random(6)}

    def versioned(op: str, data: str, output: str, since: int, **given: Any) -> onnx.NodeProto:
        """Arguments are attributes before the opset `since`, and inputs from it on."""
        if opset < since:
            return node(op, [data], output, **given)
        names = []
        for name, value in given.items():
            names.append(f"{output}_{name}")
            constants[names[-1]] = np.asarray(value, np.int64 if isinstance(value, list) else np.float32)
        return node(op, [data, *names], output)

    nodes = [
        versioned("Pad", "x", "p", 11, pads=[0, 0, 1, 1, 0, 0, 1, 1]),
        node("Conv", ["p", "w", "b"], "c"),
        node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], "n"),
        versioned("Clip", "n", "k", 11, min=0.0, max=2.0),
        node("Dropout", ["k"], "o"),
        node("MaxPool", ["o"], "m", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["m", "v", "d"], "e"),
        node("GlobalAveragePool", ["e"], "a"),
        versioned("Squeeze", "a", "s", 13, axes=[2, 3]),
        versioned("Unsqueeze", "s", "u", 13, axes=[0]),
        versioned("Squeeze", "u", "f", 13, axes=[0]),
        node("Gemm", ["f", "g", "h"], "l", transB=1),
        node("Softmax", ["l"], "y", axis=1),
    ]
    return build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 6], "l": ["N", 6]}, constants, opset=opset)


@pytest.mark.parametrize("opset", range(7, onnx.defs.onnx_opset_version() + 1))
def test_every_opset(opset: int) -> None:
    model = of_opset(opset)
    try:
        run(model, feeds(model))
    except Exception as error:
        pytest.skip(f"this ONNX Runtime cannot run opset {opset}: {error}")
    result = quantized(model, feeds(model, batch=SAMPLES))
    assert {layer.op for layer in result.layers} >= {"Conv", "MaxPool", "GlobalAveragePool"}
    assert worst(model, result) > FLOORS[this_machine()]


@pytest.mark.parametrize("bounds", [[], ["low"], ["", "high"], ["low", ""], ["low", "high"]], ids=str)
@pytest.mark.parametrize("to", INTEGER)
def test_clip_with_bounds_left_out(bounds: list[str], to: str) -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1]),
        node("Clip", ["c", *bounds], "k"),
        node("Conv", ["k", "v", "d"], "y"),
    ]
    given = {"low": np.float32(-0.5), "high": np.float32(0.75)}
    weights = {**CONV, **{name: np.asarray(given[name]) for name in bounds if name}}
    model = build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 6, 6, 6]}, weights)
    assert worst(model, quantized(model, feeds(model, batch=SAMPLES), to)) > FLOORS[to]


@pytest.mark.parametrize("to", INTEGER)
def test_names_with_slashes_spaces_and_all_letters(to: str) -> None:
    model = odd_names()
    result = quantized(model, [feeds(model, seed) for seed in range(SAMPLES)], to)
    assert worst(model, result) > FLOORS[to]


def test_names_that_are_taken_or_equal() -> None:
    """Every node of one name, and tensors that already have the names that Q/DQ pairs like to take."""
    nodes = [
        helper.make_node("Conv", ["x", "w/1"], ["c"], name="same"),
        helper.make_node("Relu", ["c"], ["c_quantized"], name="same"),
        helper.make_node("Conv", ["c_quantized", "w_1"], ["c_dequantized"], name="same"),
        helper.make_node("Add", ["c_dequantized", "c_scale"], ["y_float"], name="same"),
        helper.make_node("Relu", ["y_float"], ["y"], name="same"),
    ]
    weights = {"w/1": random(8, 4, 3, 3), "w_1": random(8, 8, 1, 1), "c_scale": random(8, 1, 1)}
    model = build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 8, 4, 4]}, weights)
    result = quantized(model, feeds(model, batch=SAMPLES))
    for each in model.graph.node:
        each.name = ""  # ONNX Runtime refuses equal names
    assert worst(model, result) > FLOORS[this_machine()]
    graph = ir.to_proto(result.model).graph
    written = [name for n in graph.node for name in n.output] + [tensor.name for tensor in graph.initializer]
    assert len(set(written)) == len(written)
    assert len({n.name for n in graph.node}) == len(graph.node)


def test_shared_weights_that_folding_makes_different() -> None:
    """Two Convs of the same weights behind which stand different normalizations: neither may take the other's."""
    nodes = [
        node("Conv", ["x", "w", "b"], "c"),
        node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], "y"),
        node("Conv", ["x", "w", "b"], "e"),
        node("BatchNormalization", ["e", "gamma2", "beta2", "mean", "var"], "z"),
    ]
    weights = {"w": random(6, 4, 3, 3), "b": random(6), **batch_norm_weights(6)}
    weights |= {"gamma2": -3 * weights["gamma"], "beta2": 2 - weights["beta"]}
    model = build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 6, 4, 4], "z": ["N", 6, 4, 4]}, weights)
    result = quantized(model, feeds(model, batch=SAMPLES))
    assert {node.op_type for node in result.model.graph} == {"Conv", "QuantizeLinear", "DequantizeLinear"}
    assert worst(model, result) > FLOORS[this_machine()]


def encoder() -> onnx.ModelProto:
    """Attention over sequences of any length, padded places masked out."""
    nodes = [
        node("Gather", ["table", "ids"], "e"),
        node("MatMul", ["e", "wq"], "q"),
        node("MatMul", ["e", "wk"], "k"),
        node("Transpose", ["k"], "kt", perm=[0, 2, 1]),
        node("MatMul", ["q", "kt"], "s"),
        node("Softmax", ["s"], "p", axis=-1),
        node("MatMul", ["e", "wv"], "v"),
        node("MatMul", ["p", "v"], "z"),
        node("Add", ["z", "e"], "h"),
        node("MatMul", ["h", "wo"], "o"),
        node("Add", ["o", "bo"], "y"),
    ]
    weights = {name: random(16, 16, seed=i) for i, name in enumerate(("wq", "wk", "wv", "wo"))}
    weights |= {"table": random(8, 16, spread=4.0), "bo": random(16)}
    inputs, types = {"ids": ["N", "L"]}, {"ids": TensorProto.INT64}
    return build(nodes, inputs, {"y": ["N", "L", 16]}, weights, input_types=types)


def sentences(lengths: Sequence[int], seed: int = 0, batch: int = 2) -> list[Arrays]:
    rng = np.random.default_rng(seed)
    return [{"ids": rng.integers(0, 8, (batch, length))} for length in lengths]


@pytest.mark.parametrize("to", INTEGER)
def test_inputs_of_varying_length(to: str) -> None:
    model = encoder()
    result = quantized(model, sentences([*range(1, 20), 50]), to)
    assert [value.shape for value in result.model.graph.inputs] == [ir.Shape(["N", "L"])]
    for inputs in sentences([1, 7, 33, 128], seed=1):
        assert losses(model, result, inputs)["y"] > FLOORS[to] - 5


@pytest.mark.parametrize("to", INTEGER)
def test_a_batch_of_any_size(to: str) -> None:
    """Calibrated on batches of all sizes; what a sample gives does not depend on its neighbours."""
    model = conv_net()
    whole = feeds(model, batch=SAMPLES)["x"]
    result = quantized(model, [{"x": part} for part in np.split(whole, [1, 4, 11, 40])], to)
    inputs = feeds(model, 99, 7)["x"]
    together = engine(result, {"x": inputs})["y"]
    alone = np.concatenate([engine(result, {"x": row[None]})["y"] for row in inputs])
    np.testing.assert_array_equal(together, alone)
    assert sqnr(run(model, {"x": inputs})["y"], together) > FLOORS[to]


def _loop_body() -> onnx.GraphProto:
    flag, out = (helper.make_tensor_value_info(n, t, s) for n, t, s in (("go_on", 9, []), ("s_out", 1, None)))
    given = [
        helper.make_tensor_value_info("i", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("s_in", TensorProto.FLOAT, None),
    ]
    nodes = [helper.make_node("Identity", ["go"], ["go_on"]), node("Conv", ["s_in", "v"], "s_out")]
    return helper.make_graph(nodes, "body", given, [flag, out])


def _branch(name: str, op: str) -> onnx.GraphProto:
    out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)
    return helper.make_graph([node(op, ["c", "shift"], f"{name}_out")], name, [], [out])


@pytest.mark.parametrize("to", INTEGER)
def test_branches_and_loops_stay_in_float_and_are_listed(to: str) -> None:
    """Layers in front and behind are integers; the graphs inside read what those wrote."""
    nodes = [
        node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1]),
        node("ReduceMax", ["x"], "top", keepdims=0),
        node("Greater", ["top", "shift"], "flag"),
        node("If", ["flag"], "i", then_branch=_branch("then", "Add"), else_branch=_branch("else", "Sub")),
        node("Loop", ["three", "", "i"], "l", body=_loop_body()),
        node("Conv", ["l", "w2"], "y"),
    ]
    weights = {**CONV, "v": random(8, 8, 1, 1), "w2": random(6, 8, 1, 1), "shift": np.float32(3), "three": np.int64(3)}
    del weights["d"]
    arrays = {name: np.asarray(value) for name, value in weights.items()}
    model = build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 6, 6, 6]}, arrays)
    both = [{"x": feeds(model, seed, 8)["x"] * np.float32(0.5 + seed % 2)} for seed in range(8)]
    result = quantized(model, both, to)
    assert [layer.name for layer in result.layers] == ["conv_c", "conv_y"]
    why = {left.op: left.why for left in result.left_float}
    assert "graph of its own" in why["If"]
    assert "graph of its own" in why["Loop"]
    for seed, factor in ((98, 0.5), (99, 1.5)):
        inputs = {"x": feeds(model, seed, 8)["x"] * np.float32(factor)}
        assert (inputs["x"].max() > 3) == (factor == 1.5), "each branch is taken once"
        assert losses(model, result, inputs)["y"] > FLOORS[to] - 5


def _scaled(domain: str) -> onnx.FunctionProto:
    body = [helper.make_node("MatMul", ["a", "k"], ["m"]), helper.make_node("Erf", ["m"], ["r"])]
    return helper.make_function(domain, "Block", ["a", "k"], ["r"], body, [helper.make_opsetid("", 17)])


def test_functions_are_opened_and_what_stays_float_in_them_is_listed() -> None:
    nodes = [
        helper.make_node("Block", ["x", "w"], ["h"], name="first", domain="own.blocks"),
        helper.make_node("Block", ["h", "w"], ["y"], name="second", domain="own.blocks"),
    ]
    model = build(nodes, {"x": ["N", 16]}, {"y": ["N", 16]}, {"w": random(16, 16)}, functions=[_scaled("own.blocks")])
    result = quantized(model, feeds(model, batch=SAMPLES))
    assert [layer.op for layer in result.layers] == ["MatMul", "MatMul"]
    assert [left.op for left in result.left_float] == ["Erf", "Erf"]
    assert worst(model, result) > FLOORS[this_machine()]


def test_operators_of_other_domains_stay_in_float_and_are_listed() -> None:
    nodes = [
        node("MatMul", ["x", "w"], "m"),
        node("Identity", ["m"], "g"),
        node("MatMul", ["g", "w"], "y"),
    ]
    model = build(nodes, {"x": ["N", 16]}, {"y": ["N", 16]}, {"w": random(16, 16)})
    model.graph.node[1].op_type, model.graph.node[1].domain = "QuickGelu", "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.graph.value_info.append(helper.make_tensor_value_info("g", TensorProto.FLOAT, ["N", 16]))
    result = quantized(model, feeds(model, batch=SAMPLES))
    assert [left.op for left in result.left_float] == ["QuickGelu"]
    assert "com.microsoft" in result.left_float[0].why
    assert worst(model, result) > FLOORS[this_machine()]


LAYERS, SIDE = 9, 8192


def _large(folder: Path) -> Path:
    """A chain of MatMuls of 2.4 GB in a sparse file: all but the diagonals of the weights is holes."""
    need = {"disk": 12 * 2**30, "memory": 10 * 2**30}
    have = {"disk": shutil.disk_usage(folder).free, "memory": psutil.virtual_memory().available}
    for name, least in need.items():
        if have[name] < least:
            pytest.skip(f"{have[name] / 2**30:.0f} GB of {name} are free, {least / 2**30:.0f} GB are needed")
    values = [f"t{i}" for i in range(LAYERS)]
    nodes = [node("MatMul", [values[i - 1] if i else "x", f"w{i}"], values[i]) for i in range(LAYERS)]
    outputs = [helper.make_tensor_value_info(values[-1], TensorProto.FLOAT, ["N", SIDE])]
    tensors, size = [], 4 * SIDE * SIDE
    with open(folder / "weights.bin", "wb") as file:
        for layer in range(LAYERS):
            diagonal = np.float32(1) + random(SIDE, seed=layer)[:SIDE] / 8
            for row in range(SIDE):
                file.seek(layer * size + 4 * row * (SIDE + 1))
                file.write(diagonal[row].tobytes())
            place = {"location": "weights.bin", "offset": str(layer * size), "length": str(size)}
            tensor = TensorProto(name=f"w{layer}", data_type=TensorProto.FLOAT, dims=[SIDE, SIDE])
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.extend(onnx.StringStringEntryProto(key=k, value=v) for k, v in place.items())
            tensors.append(tensor)
        file.truncate(LAYERS * size)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", SIDE])]
    graph = helper.make_graph(nodes, "large", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder / "model.onnx"


@pytest.mark.slow
def test_external_data_above_two_gigabytes(tmp_path: Path) -> None:
    path = _large(tmp_path)
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(8, SIDE)).astype(np.float32)
    result = octavo.quantize(path, samples, this_machine(), verify=False, threads=1)
    assert len(result.layers) == LAYERS
    assert result.size_bytes["float"] > 2**31 > result.size_bytes["quantized"] > LAYERS * SIDE**2
    saved = result.save(tmp_path / "int8.onnx")
    x = rng.normal(size=(2, SIDE)).astype(np.float32)
    expected = x.astype(np.float64)
    for layer in range(LAYERS):
        expected = expected * (np.float32(1) + random(SIDE, seed=layer)[:SIDE] / 8)
    session = onnxruntime.InferenceSession(str(saved), providers=["CPUExecutionProvider"])
    assert sqnr(expected, session.run(None, {"x": x})[0]) > 25
