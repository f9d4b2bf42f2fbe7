"""Values on which other quantizers crash or lose their accuracy, each from the float model to ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, numpy_helper
from tests.helpers.models import (
    build,
    feeds,
    node,
    random,
    run,
)
from tests.helpers.peer_failures import CONV, FLOORS, INTEGER, SAMPLES, conv_net, engine, losses, quantized, sqnr, worst

import octavo
from octavo.affine.bias import BIAS_LIMIT
from octavo.affine.params import SMALLEST_SCALE
from octavo.targets import target
from octavo.targets.detect import this_machine


@pytest.mark.parametrize("value", [0.0, 3.0, -3.0])
@pytest.mark.parametrize("to", INTEGER)
def test_a_layer_with_a_constant_output(value: float, to: str) -> None:
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
def test_constant_inputs(value: float, estimator: str) -> None:
    model = conv_net()
    samples = {"x": np.full((SAMPLES, 4, 6, 6), value, np.float32)}
    result = quantized(model, samples, estimator=estimator)
    assert losses(model, result, samples)["y"] > FLOORS[this_machine()]


@pytest.mark.parametrize("factor", [1e4, 1e30])
def test_one_huge_sample(factor: float) -> None:
    """The default range includes the huge sample, which the diagnosis reports; a percentile clips it."""
    model = conv_net()
    ordinary = feeds(model, batch=1000)["x"]
    samples = {"x": ordinary.copy()}
    samples["x"][500] *= np.float32(factor)
    result = octavo.quantize(model, samples, this_machine(), threads=1)
    assert losses(model, result, samples)["y"] > FLOORS[this_machine()]
    clipped = quantized(model, samples, estimator="percentile:99.5")
    assert losses(model, clipped, {"x": ordinary})["y"] > 20
    causes = [cause for diagnosis in result.diagnosis for cause in diagnosis.causes]
    assert any("calibration samples hold outliers" in cause for cause in causes), causes


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
    """Down to where Sx * Sw would be subnormal in float32, and only the bias contributes to the output."""
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
def test_a_bias_computed_from_a_constant(op: str) -> None:
    extra, stored = BIAS_NODES[op]
    other = {"Reshape": {"eight": np.array([8], np.int64)}, "Mul": {"two": np.full(1, 2, np.float32)}}.get(op, {})
    weights = {**{name: array for name, array in CONV.items() if name != "b"}, "stored": stored, **other}
    model = conv_net([extra], weights)
    result = quantized(model, feeds(model, batch=SAMPLES))
    assert [layer.name for layer in result.layers if layer.op == "Conv"] == ["conv_c", "conv_y"]
    assert worst(model, result) > FLOORS[this_machine()]


@pytest.mark.parametrize("to", INTEGER)
def test_a_bias_computed_from_an_input(to: str) -> None:
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
    """The two layers need scales along different axes of the same tensor."""
    decades = np.logspace(-2, 0, 16, dtype=np.float32)
    weights = {"w": random(16, 16) * decades * decades[::-1, None]}
    nodes = [node("Gemm", ["x", "w"], "straight"), node("Gemm", ["x", "w"], "turned", transB=1)]
    model = build(nodes, {"x": ["N", 16]}, {"straight": ["N", 16], "turned": ["N", 16]}, weights)
    result = quantized(model, feeds(model, batch=SAMPLES), to)
    inputs = feeds(model, 99, SAMPLES)
    expected, actual = run(model, inputs), engine(result, inputs)
    for name in ("straight", "turned"):
        assert min(map(sqnr, expected[name].T, actual[name].T)) > FLOORS[to]


@pytest.mark.parametrize("to", INTEGER)
def test_a_tensor_with_an_integer_and_a_float_reader(to: str) -> None:
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
    sqnr_of = losses(model, result, feeds(model, 99, SAMPLES))
    assert min(sqnr_of.values()) > FLOORS[to]
    assert sqnr_of["of_input"] == np.inf, "a float operator on a float input must not be rounded"


@pytest.mark.parametrize("ratio", [10.0, 1000.0])
@pytest.mark.parametrize("to", INTEGER)
def test_a_residual_add_of_different_scales(ratio: float, to: str) -> None:
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
def test_a_concat_of_different_scales(ratio: float, to: str) -> None:
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
