"""Errors of tensors, compared with direct computation from the values of both models."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from tests.helpers.models import PATTERNS, Arrays, build, node, random, run
from tests.helpers.plain_quantization import Quantized, observed, quantized

from octavo.affine import INT8, QuantParams
from octavo.data import open_samples
from octavo.errors import ModelError
from octavo.graph import input_specs
from octavo.measure import TensorError, counterparts, tensor_errors

TARGETS = ("x86-vnni", "nvidia-tensorrt", "arm-neon")


def samples(case: Quantized, count: int = 20) -> Arrays:
    rng = np.random.default_rng(5)
    specs = input_specs(case.prepared)
    return {s.name: rng.normal(size=(count, *s.shape[1:])).astype(np.float32) for s in specs}


def values(case: Quantized, names: list[str], inputs: Arrays) -> tuple[Arrays, Arrays]:
    """The float tensors, and their dequantized counterparts computed from the quantized model."""
    proto = case.proto
    quantizers = {n.input[0]: n.output[0] for n in proto.graph.node if n.op_type == "QuantizeLinear"}
    readers = {n.input[0]: n.output[0] for n in proto.graph.node if n.op_type == "DequantizeLinear"}
    stored_names = [readers[quantizers[name]] if name in quantizers else name for name in names]
    output_names = {value.name for value in proto.graph.output}
    extra = [name for name in dict.fromkeys(stored_names) if name not in output_names]
    proto.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in extra)
    rounded = run(proto, inputs)
    return observed(case.prepared, names, inputs), {
        one: rounded[two] for one, two in zip(names, stored_names, strict=True)
    }


def decibels(signal: NDArray[np.float64], noise: NDArray[np.float64]) -> float:
    return float(10 * np.log10((signal**2).sum() / (noise**2).sum()))


def on_grid(x: NDArray[np.float64], params: QuantParams) -> NDArray[np.float64]:
    scale, zero = float(params.scale), int(params.zero_point)
    return (np.clip(np.rint(x / scale) + zero, params.grid.qmin, params.grid.qmax) - zero) * scale


def compared(case: Quantized, inputs: Arrays) -> dict[str, TensorError]:
    pairs = counterparts(case.result)
    names = dict.fromkeys([*case.plan.tensors, *(layer.result for layer in case.plan.layers.values())])
    source = open_samples(inputs, input_specs(case.prepared))
    return tensor_errors(
        case.prepared, case.result, {n: pairs.get(n, n) for n in names}, source, params=case.activations, threads=1
    )


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("pattern", ["conv_relu", "mlp"])
def test_all_statistics_equal_direct_computation(pattern: str, target: str) -> None:
    case = quantized(PATTERNS[pattern](), target)
    # 20 samples are three batches, with a smaller last one.
    inputs = samples(case)
    results = compared(case, inputs)
    assert results
    assert not set(inputs) & set(results)
    floats, rounded = values(case, list(results), inputs)
    for name, error in results.items():
        x, y = floats[name].astype(np.float64), rounded[name].astype(np.float64)
        assert error.sqnr_db == pytest.approx(decibels(x, x - y), abs=0.02), name
        assert error.cosine == pytest.approx((x * y).sum() / np.linalg.norm(x) / np.linalg.norm(y), abs=1e-5)
        axis = 1 if x.ndim == 4 else x.ndim - 1
        expected = np.abs(x).max(axis=tuple(i for i in range(x.ndim) if i != axis))
        np.testing.assert_allclose(error.channel_ranges, expected, rtol=1e-6)
        if name in case.activations:
            params = case.activations[name]
            assert error.own_sqnr_db == pytest.approx(decibels(x, x - on_grid(x, params)), abs=0.02)
            low, high = (
                float(params.scale) * (q - int(params.zero_point)) for q in (params.grid.qmin, params.grid.qmax)
            )
            beyond = (x < low - float(params.scale) / 2) | (x > high + float(params.scale) / 2)
            assert error.clipped == pytest.approx(beyond.mean(), abs=1e-5)
        else:
            assert error.own_sqnr_db is None


def test_counterparts_are_the_tensors_on_their_grids() -> None:
    case = quantized(PATTERNS["conv_relu"](), "x86-vnni")
    pairs = counterparts(case.result)
    assert set(case.plan.tensors) - set(pairs) == {"y"}, "the name of an output stays with its dequantized form"
    producers = {value.name: n for n in case.result.graph for value in n.outputs}
    for name in case.plan.tensors:
        assert producers[pairs.get(name, name)].op_type == "DequantizeLinear"


def linear(weight: NDArray[np.float32]) -> ir.Model:
    nodes = [node("MatMul", ["x", "w"], "h"), node("Add", ["h", "b"], "y")]
    size = weight.shape[1]
    outputs = {"y": ["N", 3, size]}
    return ir.from_proto(build(nodes, {"x": ["N", 3, 8]}, outputs, {"w": weight, "b": random(size)}))


W = random(8, 16)


def errors(first: ir.Model, second: ir.Model, x: NDArray[np.float32], **params: QuantParams) -> TensorError:
    source = open_samples(x, input_specs(first))
    return tensor_errors(first, second, {"h": "h"}, source, params=params, threads=1)["h"]


def test_equal_tensors_have_200_db() -> None:
    result = errors(linear(W), linear(W), random(4, 3, 8))
    assert (result.sqnr_db, result.cosine, result.own_sqnr_db) == (200.0, pytest.approx(1.0), None)


def test_a_tensor_of_zeros_has_the_largest_or_smallest_sqnr() -> None:
    x = random(4, 3, 8)
    assert errors(linear(W * 0), linear(W * 0), x).sqnr_db == 200.0
    zeroed = errors(linear(W * 0), linear(W), x)
    assert (zeroed.sqnr_db, zeroed.cosine) == (-100.0, 0.0)


def test_a_halved_tensor_has_6_db_and_a_negated_one_minus_6() -> None:
    x = random(4, 3, 8)
    assert errors(linear(W), linear(W / 2), x).sqnr_db == pytest.approx(20 * np.log10(2), abs=1e-4)
    negated = errors(linear(W), linear(-W), x)
    assert negated.sqnr_db == pytest.approx(-20 * np.log10(2), abs=1e-4)
    assert negated.cosine == pytest.approx(-1)


def masked(values: NDArray[np.float32]) -> ir.Model:
    nodes = [node("MatMul", ["x", "w"], "m"), node("Add", ["m", "mask"], "h"), node("Softmax", ["h"], "y")]
    return ir.from_proto(build(nodes, {"x": ["N", 3, 8]}, {"y": ["N", 3, 16]}, {"w": W, "mask": values}))


def test_infinities_of_the_float_model_are_excluded() -> None:
    """Attention masks contain minus infinity; only the other values are compared."""
    x = random(4, 3, 8)
    mask = np.where(np.arange(16) < 10, 0, -np.inf).astype(np.float32)
    finite = errors(linear(W[:, :10]), linear(W[:, :10] * np.float32(0.9)), x)
    narrow = masked(mask)
    other = masked(np.where(np.isinf(mask), np.float32(-1e30), mask))
    other.graph.initializers["w"].const_value = ir.tensor(W * np.float32(0.9), name="w")
    params = QuantParams(INT8, np.float32(0.05), np.int32(0))
    result = errors(narrow, other, x, h=params)
    assert result.sqnr_db == pytest.approx(finite.sqnr_db, abs=1e-3)
    assert result.cosine == pytest.approx(finite.cosine, abs=1e-5)
    assert result.own_sqnr_db is not None
    assert np.isfinite([result.own_sqnr_db, result.clipped, result.typical, *result.channel_ranges]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_non_finite_quantized_tensor_has_the_smallest_sqnr(value: float) -> None:
    result = errors(masked(np.zeros(16, np.float32)), masked(np.full(16, value, np.float32)), random(4, 3, 8))
    assert (result.sqnr_db, result.cosine) == (-100.0, 0.0)


def test_typical_values_are_not_those_of_one_channel() -> None:
    """An even stride through 2^20 values would sample only two of 512 channels, one of them large."""
    weight = random(8, 512)
    weight[:, 0] *= 1000
    model = ir.from_proto(
        build([node("MatMul", ["x", "w"], "h")], {"x": ["N", 256, 8]}, {"h": ["N", 256, 512]}, {"w": weight})
    )
    x = np.random.default_rng(0).normal(size=(8, 256, 8)).astype(np.float32)
    result = errors(model, model, x)
    assert result.typical == pytest.approx(np.quantile(np.abs(x @ weight), 0.99), rel=0.1)


def test_reading_stops_after_enough_samples() -> None:
    read = 0

    def source() -> Iterator[NDArray[np.float32]]:
        nonlocal read
        for _ in range(100):
            read += 8
            yield random(8, 3, 8)

    model = linear(W)
    tensor_errors(model, model, {"h": "h"}, open_samples(source(), input_specs(model)), threads=1)
    assert read == 128


def test_a_missing_tensor_is_named() -> None:
    model = linear(W)
    with pytest.raises(ModelError, match="no tensor 'nowhere'"):
        tensor_errors(model, model, {"nowhere": "h"}, open_samples(random(4, 3, 8), input_specs(model)))


def test_no_tensors_give_no_errors() -> None:
    model = linear(W)
    assert tensor_errors(model, model, {"x": "x"}, open_samples(random(4, 3, 8), input_specs(model))) == {}
