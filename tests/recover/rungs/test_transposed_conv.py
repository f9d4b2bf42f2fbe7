"""Rungs on ConvTranspose layers, compared with gradients and sums that do not use octavo's im2col."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from tests.helpers.models import build, node, random
from tests.helpers.states import FOUR_BITS, outputs, sqnr, state

from octavo.affine import dequantize, fake_quantize
from octavo.engines.onnxruntime import Session
from octavo.graph.linear import linear
from octavo.quantizer import State
from octavo.recover.layers.im2col import sample_rows
from octavo.recover.layers.sensitivity import macs, own_errors, shares
from octavo.recover.rungs.correct import correct, correct_analytic
from octavo.recover.rungs.round import round_weights
from octavo.recover.rungs.search import search
from octavo.targets import target

NARROW = dataclasses.replace(target("octavo"), weights=FOUR_BITS)
GROUPS = [1, 2]
LAYOUTS: list[dict[str, Any]] = [
    {},
    {"strides": [2, 2]},
    {"strides": [2, 3], "pads": [0, 1, 1, 0], "dilations": [2, 1]},
    {"strides": [2, 2], "output_padding": [1, 1], "pads": [1, 1, 1, 1]},
    {"strides": [1, 1], "pads": [3, 2, 2, 2]},
    {"strides": [2, 3], "auto_pad": "SAME_UPPER"},
    {"strides": [2, 3], "auto_pad": "SAME_LOWER"},
    {"strides": [2, 2], "output_shape": [13, 16]},
]


def network(groups: int = 1, **attributes: Any) -> onnx.ModelProto:
    """One ConvTranspose with a bias: 4 channels in, 6 out."""
    weights = {"w": random(4, 6 // groups, 3, 2), "b": random(6)}
    layer = node("ConvTranspose", ["x", "w", "b"], "y", group=groups, **attributes)
    return build([layer], {"x": ["N", 4, 7, 8]}, {"y": ["N", 6, "H", "W"]}, weights)


def samples(seed: int, count: int = 24) -> dict[str, np.ndarray]:
    """Inputs with a mean, so that errors of weights shift the output."""
    return {"x": random(count, 4, 7, 8, seed=seed) + np.float32(1.0)}


def scattered(x: np.ndarray, w: np.ndarray, groups: int, strides: tuple[int, int]) -> np.ndarray:
    """A ConvTranspose without pads in float64, tap by tap: each input element adds its multiple of the kernel."""
    n, c, height, width = x.shape
    per_group, (kh, kw) = w.shape[1], w.shape[2:]
    out = np.zeros((n, groups, per_group, (height - 1) * strides[0] + kh, (width - 1) * strides[1] + kw))
    x, w = x.reshape(n, groups, c // groups, height, width), w.reshape(groups, c // groups, per_group, kh, kw)
    for i in range(kh):
        for j in range(kw):
            part = np.einsum("ngchw,gco->ngohw", x.astype(np.float64), w[..., i, j].astype(np.float64))
            out[..., i : i + height * strides[0] : strides[0], j : j + width * strides[1] : strides[1]] += part
    return out.reshape(n, groups * per_group, *out.shape[3:])


def weights_of(quantized: State, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A layer's weights in float and dequantized."""
    layer = linear(next(n for n in quantized.model.graph if n.name == name))
    assert layer is not None
    constant = quantized.constants[name, 1]
    return layer.stored, dequantize(constant.integers, constant.params)


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("attributes", LAYOUTS, ids=str)
def test_a_transposed_conv_is_the_product_of_its_rows_and_weights(groups: int, attributes: dict[str, Any]) -> None:
    model = network(groups, **attributes)
    (convolution,) = ir.from_proto(model).graph
    layer = linear(convolution)
    assert layer is not None
    assert layer.bias is not None
    x = samples(4, count=2)["x"]
    rows = sample_rows(layer, [x], seed=0, most=10**9)
    product = (rows @ layer.matrix.transpose(0, 2, 1)).transpose(0, 2, 1).reshape(6, -1) + layer.bias[:, None]
    y = Session(ir.from_proto(model)).run({"x": x})["y"]
    np.testing.assert_allclose(product, np.moveaxis(y, 1, 0).reshape(6, -1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("groups", GROUPS)
def test_weights_return_from_every_layout(groups: int) -> None:
    (convolution,) = ir.from_proto(network(groups)).graph
    layer = linear(convolution)
    assert layer is not None
    assert (layer.inputs, layer.outputs, layer.groups, layer.output_axis) == (4, 6, groups, 1)
    assert layer.weights.shape == (groups, 6 // groups, 4 // groups, 6)
    assert np.array_equal(layer.from_common(layer.weights), layer.stored)
    assert np.array_equal(layer.from_matrix(layer.matrix), layer.stored)
    factor = np.arange(1.0, 7.0)
    y, scaled = (
        scattered(np.ones((1, 4, 2, 2)), w, groups, (1, 1))
        for w in (layer.stored, layer.from_common(layer.scaled(by_output=factor)))
    )
    np.testing.assert_allclose(scaled, y * factor[:, None, None], rtol=1e-6)


@pytest.mark.parametrize("groups", GROUPS)
def test_rounding_has_a_smaller_error_than_nearest_on_unseen_samples(groups: int) -> None:
    plain = state(network(groups, strides=[2, 2]), samples(1), NARROW)
    outcome = round_weights(plain)
    assert outcome.note == "weights of 1 of 1 layers rounded to minimize the output error"
    unseen = samples(9)
    assert sqnr(outcome.state, plain, unseen) > sqnr(plain, plain, unseen) + 1


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("rung", [correct, correct_analytic])
def test_corrected_biases_leave_no_channel_with_a_mean_error(groups: int, rung: Any) -> None:
    data = samples(1)
    plain = state(network(groups, strides=[2, 2]), data, NARROW)
    outcome = rung(plain)
    assert outcome.note.startswith("biases of 1 layers corrected")
    reference = outputs(plain.model, data)

    def mean_error(quantized: State) -> np.ndarray:
        return np.abs((outputs(quantized.quantized, data) - reference).mean(axis=(0, 2, 3), dtype=np.float64))

    assert mean_error(outcome.state).max() < 0.2 * mean_error(plain).max()


@pytest.mark.parametrize("groups", GROUPS)
def test_the_analytic_correction_is_the_mean_error_of_the_weights(groups: int) -> None:
    data = samples(1, count=3)
    plain = state(network(groups, strides=[2, 2]), data, NARROW)
    outcome = correct_analytic(plain)
    (name,) = plain.plan.layers
    exact, rounded = (scattered(data["x"], w, groups, (2, 2)) for w in weights_of(plain, name))
    expected = (exact - rounded).mean(axis=(0, 2, 3))
    before, after = (linear(next(iter(current.model.graph))) for current in (plain, outcome.state))
    assert before is not None
    assert after is not None
    assert before.bias is not None
    assert after.bias is not None
    np.testing.assert_allclose(after.bias - before.bias, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("groups", GROUPS)
def test_own_errors_are_those_of_the_integer_output(groups: int) -> None:
    data = samples(1, count=3)
    plain = state(network(groups, strides=[2, 2]), data, NARROW)
    (name,) = plain.plan.layers
    stored, integers = weights_of(plain, name)
    exact = scattered(data["x"], stored, groups, (2, 2))
    rounded = scattered(fake_quantize(data["x"], plain.activations["x"]), integers, groups, (2, 2))
    difference = rounded - exact
    difference -= difference.mean(axis=(0, 2, 3), keepdims=True)
    expected = float(np.square(difference).sum() / np.square(exact).sum())
    assert own_errors(plain) == pytest.approx({name: expected}, rel=1e-3)
    assert shares(own_errors(plain)) == {name: 1.0}
    assert macs(plain) == {name: 4 * 7 * 8 * (6 // groups) * 3 * 2}


def test_search_judges_a_range_by_the_output_of_a_transposed_conv() -> None:
    plain = state(network(strides=[2, 2]), samples(1), NARROW)
    assert "1 tensors" in search(plain).note
