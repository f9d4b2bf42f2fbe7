"""The values of tensors in a result: those of calibration and of the model's own weights."""

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


def test_every_tensor_on_a_grid_has_values_but_biases(result: QuantizationResult) -> None:
    named = {each.tensor for layer in result.layers for each in [*layer.inputs, *layer.weights]}
    named |= {layer.output.tensor for layer in result.layers if layer.output is not None}
    biases = {each.tensor for layer in result.layers for each in layer.weights if each.grid == "int32"}
    assert set(result.tensors) == named - biases
    assert quantized().tensors == {}


def test_an_activation_has_the_ends_of_calibration(result: QuantizationResult) -> None:
    x = samples()["x"]
    found = result.tensors["x"]
    assert (found.kind, found.low, found.high) == ("activation", float(x.min()), float(x.max()))
    assert found.sqnr_db is None  # inputs are the same in both models
    inner = result.tensors[result.layers[-1].inputs[0].tensor]
    assert inner.own_sqnr_db is not None
    assert inner.sqnr_db is not None
    assert inner.sqnr_db <= inner.own_sqnr_db + 0.1
    assert inner.clipped is not None


def test_ranges_lead_to_the_scales_that_are_reported(result: QuantizationResult) -> None:
    tensors = [each for layer in result.layers for each in [*layer.inputs, *layer.weights, layer.output] if each]
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


def test_weights_have_the_ends_of_the_models_array(result: QuantizationResult) -> None:
    held = {each.name: numpy_helper.to_array(each) for each in conv_relu().graph.initializer}
    weights = [each for layer in result.layers for each in layer.weights if each.grid != "int32"]
    assert len(weights) == 2
    for tensor in weights:
        found, array = result.tensors[tensor.tensor], held[tensor.tensor]
        assert (found.kind, found.low, found.high) == ("weights", float(array.min()), float(array.max()))
        assert found.channels is not None
        largest = np.abs(array).max(axis=tuple(range(1, array.ndim)))
        assert found.channel == int(largest.argmax())
        np.testing.assert_allclose(found.channels.high, array.reshape(len(array), -1).max(axis=1), rtol=1e-3)


def test_operators_stand_in_the_order_of_the_graph(result: QuantizationResult) -> None:
    places = [result.operators.index(layer.name) for layer in result.layers]
    assert places == sorted(places)
