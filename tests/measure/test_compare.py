"""Comparison of two models on the same samples, tensor by tensor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tests.helpers.models import PATTERNS, Arrays, conv_relu, feeds, run

import octavo
from octavo.data import open_samples
from octavo.graph import input_specs, load, save
from octavo.measure.compare import Comparison, compare


def compared(first: ir.Model, second: ir.Model, source: Any) -> Comparison:
    return compare(first, second, open_samples(source, input_specs(first)))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, NDArray[np.float32]]:
    """A float model and its quantized form as files, and samples."""
    x = np.random.default_rng(0).normal(size=(24, 4, 8, 8)).astype(np.float32)
    model = conv_relu()
    result = octavo.quantize(model, x[:16], "x86-vnni", verify=False, threads=1)
    save(ir.from_proto(model), tmp_path / "float.onnx")
    return tmp_path / "float.onnx", result.save(tmp_path / "int8.onnx"), x[16:]


def inner(model: onnx.ModelProto, name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return run(model, {"x": x}, [name])[name]


def decibels(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    signal, noise = x.astype(np.float64), x.astype(np.float64) - y
    return float(10 * np.log10((signal**2).sum() / (noise**2).sum()))


def test_float_against_quantized_pairs_outputs_and_layers(files: tuple[Path, Path, Any]) -> None:
    first, second, x = files
    comparison = compared(load(first), load(second), x)
    assert [(tensor.name, tensor.op, tensor.layer) for tensor in comparison.outputs] == [("y", "Conv", "conv_y")]
    floats, integers = (run(onnx.load(path), {"x": x})["y"] for path in (first, second))
    assert comparison.outputs[0].error.sqnr_db == pytest.approx(decibels(floats, integers), abs=0.05)
    layers = {tensor.name: tensor.error.sqnr_db for tensor in comparison.layers}
    quantized = onnx.load(second)
    on_grid = next(n.output[0] for n in quantized.graph.node if n.op_type == "QuantizeLinear" and n.input[0] == "r")
    stored = next(n.output[0] for n in quantized.graph.node if n.op_type != "QuantizeLinear" and on_grid in n.input)
    relu, rounded = inner(onnx.load(first), "r", x), inner(quantized, stored, x)
    assert layers["r"] == pytest.approx(decibels(relu, rounded), abs=0.05)
    assert all(20 < value < 60 for value in layers.values())


@pytest.mark.parametrize("pattern", ["residual", "attention", "concat", "middle_output", "embedding"])
def test_a_model_equals_itself_everywhere(pattern: str) -> None:
    model = PATTERNS[pattern]()
    model = onnx.shape_inference.infer_shapes(model)
    inputs: Arrays = {name: array[:1] for name, array in feeds(model).items()}
    comparison = compared(ir.from_proto(model), ir.from_proto(model), inputs)
    assert {tensor.name for tensor in comparison.outputs} == {value.name for value in model.graph.output}
    assert comparison.layers
    assert all(tensor.error.sqnr_db == 200.0 for tensor in (*comparison.outputs, *comparison.layers))
    order = {name: i for i, n in enumerate(model.graph.node) for name in n.output}
    positions = [order[tensor.name] for tensor in comparison.layers]
    assert positions == sorted(positions)


def test_a_change_affects_its_layer_and_later_ones() -> None:
    first, second = conv_relu(), conv_relu()
    for tensor in second.graph.initializer:
        if tensor.name == "w2":
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.1), "w2"))
    first, second = (onnx.shape_inference.infer_shapes(model) for model in (first, second))
    comparison = compared(ir.from_proto(first), ir.from_proto(second), feeds(first))
    assert {layer.name: layer.error.sqnr_db for layer in comparison.layers} == {"c": 200.0, "r": 200.0}
    assert comparison.outputs[0].error.sqnr_db < 40
