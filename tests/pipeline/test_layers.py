"""The tensors of a result: values of activations over the calibration samples, and of the model's weights."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper
from tests.helpers.jobs import quantized, samples
from tests.helpers.models import conv_relu

from octavo.affine import Grid, params_from_range
from octavo.pipeline.result import QuantizationResult


@pytest.fixture(scope="module")
def result() -> QuantizationResult:
    return quantized(evaluate=samples(seed=1), verify=True, target="octavo")


def test_every_quantized_tensor_but_biases_has_values(result: QuantizationResult) -> None:
    tensors = {tensor.tensor for layer in result.layers for tensor in [*layer.inputs, *layer.weights]}
    tensors |= {layer.output.tensor for layer in result.layers if layer.output is not None}
    biases = {tensor.tensor for layer in result.layers for tensor in layer.weights if tensor.grid == "int32"}
    assert set(result.tensors) == tensors - biases
    assert quantized().tensors == {}


def test_an_activation_has_the_range_of_calibration(result: QuantizationResult) -> None:
    x = samples()["x"]
    values = result.tensors["x"]
    assert (values.kind, values.low, values.high) == ("activation", float(x.min()), float(x.max()))
    assert values.sqnr_db is None  # inputs are the same in both models
    inner = result.tensors[result.layers[-1].inputs[0].tensor]
    assert inner.own_sqnr_db is not None
    assert inner.sqnr_db is not None
    assert inner.sqnr_db <= inner.own_sqnr_db + 0.1
    assert inner.clipped is not None


def test_the_reported_scales_follow_from_the_ranges(result: QuantizationResult) -> None:
    tensors = [tensor for layer in result.layers for tensor in [*layer.inputs, *layer.weights, layer.output] if tensor]
    checked = 0
    for tensor in tensors:
        values = result.tensors.get(tensor.tensor)
        if values is None or values.range is None:
            continue
        params = params_from_range(*values.range, Grid.parse(tensor.grid), symmetric=values.symmetric)
        assert float(params.scale) == tensor.scale[values.channel or 0]
        assert int(params.zero_point) == tensor.zero_point[values.channel or 0]
        checked += 1
    assert checked >= 5


def test_weights_have_the_range_of_the_models_array(result: QuantizationResult) -> None:
    initializers = {tensor.name: numpy_helper.to_array(tensor) for tensor in conv_relu().graph.initializer}
    weights = [tensor for layer in result.layers for tensor in layer.weights if tensor.grid != "int32"]
    assert len(weights) == 2
    for tensor in weights:
        values, array = result.tensors[tensor.tensor], initializers[tensor.tensor]
        assert (values.kind, values.low, values.high) == ("weights", float(array.min()), float(array.max()))
        assert values.channels is not None
        largest = np.abs(array).max(axis=tuple(range(1, array.ndim)))
        assert values.channel == int(largest.argmax())
        np.testing.assert_allclose(values.channels.high, array.reshape(len(array), -1).max(axis=1), rtol=1e-3)


def test_operators_are_in_graph_order(result: QuantizationResult) -> None:
    positions = [result.operators.index(layer.name) for layer in result.layers]
    assert positions == sorted(positions)
