"""Rungs on networks with known results, measured on samples not used for calibration."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper, numpy_helper
from tests.helpers.models import build, node, random
from tests.helpers.states import FOUR_BITS, inputs, network, outputs, sqnr, state

from octavo.affine import UINT16
from octavo.engines.onnxruntime import Session
from octavo.errors import OptionError
from octavo.graph.linear import linear
from octavo.measure import MetricResult
from octavo.quantizer import State, derive
from octavo.recover import LadderContext, rung_names, rungs_named
from octavo.recover.layers.capture import capture
from octavo.recover.layers.im2col import sample_rows
from octavo.recover.layers.raising import RAISED, raised
from octavo.recover.layers.sensitivity import bit_operations, macs, own_errors, shares
from octavo.recover.rungs import mix as mixing
from octavo.recover.rungs.correct import correct, correct_analytic
from octavo.recover.rungs.mix import mix
from octavo.recover.rungs.round import estimate_seconds, round_weights
from octavo.recover.rungs.search import search
from octavo.targets import target

HELD_OUT = inputs(32, seed=9)
NARROW = dataclasses.replace(target("octavo"), weights=FOUR_BITS)


def test_rounding_has_a_smaller_error_than_nearest_on_unseen_samples() -> None:
    plain = state(network(), inputs(), NARROW)
    outcome = round_weights(plain)
    assert sqnr(outcome.state, plain, HELD_OUT) > sqnr(plain, plain, HELD_OUT) + 3
    assert "of 3 layers rounded" in outcome.note
    repeated = round_weights(plain)
    assert all(
        np.array_equal(repeated.state.decisions.constants[key].integers, constant.integers)
        for key, constant in outcome.state.decisions.constants.items()
    )


def test_a_single_row_is_too_few_for_rounding() -> None:
    model = build(
        [node("Gemm", ["x", "w", "b"], "y")], {"x": ["N", 8]}, {"y": ["N", 6]}, {"w": random(8, 6), "b": random(6)}
    )
    plain = state(model, {"x": random(1, 8)}, NARROW)
    assert round_weights(plain).state is plain


def test_a_biased_rounding_is_corrected() -> None:
    """Weights that all round in the same direction shift the mean of every output channel."""
    nodes = [node("Conv", ["x", "w", "b"], "y")]
    weights = {"w": np.full((6, 4, 1, 1), 0.45, np.float32), "b": random(6)}
    weights["w"][:, 0] = 7.0
    model = build(nodes, {"x": ["N", 4, 8, 8]}, {"y": ["N", 6, 8, 8]}, weights)
    data, unseen = ({"x": np.abs(inputs(48, seed)["x"])} for seed in (0, 9))
    plain = state(model, data, NARROW)

    def mean_error(quantized: State) -> float:
        difference = outputs(quantized.quantized, unseen) - outputs(plain.model, unseen)
        return float(np.abs(difference.mean(axis=(0, 2, 3))).max())

    for rung in (correct, correct_analytic):
        assert mean_error(rung(plain).state) < 0.1 * mean_error(plain)


def test_correction_and_rounding_can_be_combined() -> None:
    """The reference remains the model before bias correction."""
    plain = state(network(), inputs(), NARROW)
    corrected_and_rounded = round_weights(correct(plain).state).state
    rounded = round_weights(plain).state
    assert sqnr(corrected_and_rounded, plain, HELD_OUT) > sqnr(rounded, plain, HELD_OUT) - 1


def test_a_range_is_chosen_by_the_layers_output() -> None:
    """A channel with zero weights may be clipped, for any error of the tensor itself."""
    model, data = network(), inputs()
    data["x"][:4, 0, 0, 0] = 500.0
    (kernel,) = [initializer for initializer in model.graph.initializer if initializer.name == "w"]
    array = numpy_helper.to_array(kernel).copy()
    array[:, 0] = 0
    kernel.CopyFrom(numpy_helper.from_array(array, "w"))
    wide = derive(state(model, data).with_estimators({"x": "minmax"}))
    outcome = search(wide)
    assert outcome.state.plan.tensors["x"].estimator == "percentile:99.9"
    assert sqnr(outcome.state, wide, HELD_OUT) > sqnr(wide, wide, HELD_OUT) + 6
    assert search(outcome.state).state is outcome.state


def test_a_sensitive_layer_gets_more_bits() -> None:
    """The second of three layers: the ranges of its input channels differ by a factor of 1000, with one scale."""
    model = network()
    sizes = np.logspace(-2, 1, 12, dtype=np.float32)
    factors = {"w": sizes[:, None, None, None], "b": sizes, "k": 1 / sizes[:, None, None, None]}
    for initializer in model.graph.initializer:
        array = numpy_helper.to_array(initializer) * factors.get(initializer.name, np.float32(1))
        initializer.CopyFrom(numpy_helper.from_array(array.astype(np.float32), initializer.name))
    plain = state(model, inputs())
    errors = own_errors(plain)
    names = list(plain.plan.layers)
    worst = max(errors, key=lambda name: errors[name])
    assert worst == names[1]
    assert sum(shares(errors).values()) == pytest.approx(1)

    def noise(candidate: ir.Model) -> MetricResult:
        x, y = outputs(plain.model, HELD_OUT), outputs(candidate, HELD_OUT)
        drop = 100 * float(np.square(x - y).sum() / np.square(x).sum())
        return MetricResult("noise", "points", 100, 100 - drop, drop, (drop, drop), "", 32, 32)

    before = noise(plain.quantized).drop
    outcome = mix(plain, LadderContext(noise, before / 2))
    assert [name for name, grid in outcome.state.decisions.grids.items() if grid.bits == 16] == ["r"]
    assert outcome.details["pareto"][0]["layers"] == [worst]
    assert outcome.details["pareto"][0]["share_of_macs"] == pytest.approx(
        macs(plain)[worst] / sum(macs(plain).values())
    )
    share = macs(plain)[worst] / sum(macs(plain).values())
    assert outcome.details["pareto"][0]["bit_operations"] == pytest.approx(1 + share)
    with pytest.raises(OptionError, match="`max_drop`"):
        mix(plain, LadderContext())


def _context(reference: State, budget: float) -> LadderContext:
    """The noise of the output in percent of its power as metric, on held-out samples."""

    def noise(candidate: ir.Model) -> MetricResult:
        x, y = outputs(reference.reference, HELD_OUT), outputs(candidate, HELD_OUT)
        drop = 100 * float(np.square(x - y).sum() / np.square(x).sum())
        return MetricResult("noise", "points", 100, 100 - drop, drop, (drop, drop), "", 32, 32)

    return LadderContext(noise, budget)


def test_tensors_that_only_operators_without_weights_read_are_raised() -> None:
    """Tanh reads small values beside large ones, on which 8 bits are spent; a float operator reads what it writes."""
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Tanh", ["c"], "t"),
        node("GlobalAveragePool", ["t"], "g"),
        node("Sin", ["g"], "y"),
    ]
    # Weights without rounding error.
    weights = {"w": np.sign(random(6, 4, 1, 1)) * np.array([50, 1, 1, 1, 1, 1], np.float32)[:, None, None, None] / 8}
    plain = state(build(nodes, {"x": ["N", 4, 8, 8]}, {"y": ["N", 6, 1, 1]}, weights), inputs())
    outcome = mix(plain, _context(plain, 1e-4))
    assert outcome.note.endswith("16-bit activations, 100.0% of the multiply-accumulates; 2x the bit operations")
    assert {tensor.grid.bits for tensor in outcome.state.plan.tensors.values()} == {16}
    assert sqnr(outcome.state, plain, inputs()) > sqnr(plain, plain, inputs()) + 20


def test_weights_of_four_bits_are_raised_to_eight() -> None:
    plain = state(network(), inputs(), target("octavo", weight_bits=4))
    outcome = mix(plain, _context(plain, _context(plain, 0).measure(plain.quantized).drop * 0.8))
    assert "raised to 8-bit weights" in outcome.note
    wide = outcome.state.decisions.weight_grids
    assert 0 < len(wide) < 3
    levels = {layer.name: layer.weights[0].grid.levels for layer in outcome.state.plan.layers.values()}
    assert levels == {name: 255 if name in wide else 15 for name in plain.plan.layers}
    assert outcome.state.decisions.grids == {}
    assert sqnr(outcome.state, plain, HELD_OUT) > sqnr(plain, plain, HELD_OUT)


def test_biases_of_raised_layers_are_those_that_fit() -> None:
    """A bias that was corrected for rounded weights is wrong for the same layer in float."""
    plain = state(network(), inputs(), dataclasses.replace(target("x86-vnni"), weights=FOUR_BITS, per_channel=False))
    fixed = correct(plain).state
    last = list(plain.plan.layers)[-1]
    captured = capture(fixed.reference, fixed.settings, fixed.settings.samples)
    alone = derive(fixed.with_left_out({last: RAISED}))
    assert sqnr(raised(fixed, [last], captured), plain, HELD_OUT) > sqnr(alone, plain, HELD_OUT)
    corrected = correct(alone).state
    assert sqnr(corrected, plain, HELD_OUT) > sqnr(alone, plain, HELD_OUT)


def test_layers_that_gain_together_only_are_raised() -> None:
    """Raising one of two layers does not show beside the error of the other: mix must not stop there."""
    plain = state(network(), inputs())
    before = _context(plain, 0).measure(plain.quantized).drop  # type: ignore[misc]

    def nothing_alone(*_: object) -> dict[str, float]:
        return dict.fromkeys(own_errors(plain), -0.1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixing, "error_reductions", nothing_alone)
        outcome = mix(plain, _context(plain, before / 100))
    assert _context(plain, 0).measure(outcome.state.quantized).drop < before / 2  # type: ignore[misc]


def test_a_transposed_product_in_float_is_not_corrected() -> None:
    """The samples of its input lie on another axis than the rows of other products."""
    nodes = [
        node("Gemm", ["x", "w", "d"], "h"),
        node("Transpose", ["h"], "t", perm=[1, 0]),
        node("Gemm", ["t", "v", "e"], "y", transA=1),
    ]
    weights = {"w": random(8, 5), "v": random(5, 4), "d": random(5), "e": random(4)}
    plain = state(build(nodes, {"x": ["N", 8]}, {"y": ["N", 4]}, weights), {"x": random(48, 8)}, NARROW)
    first = next(iter(plain.plan.layers))
    mixed = derive(plain.with_left_out({name: "to see" for name in plain.plan.layers if name != first}))
    assert correct(mixed).note.startswith("biases of 1 layers")


def test_rounding_is_forecast_alike_for_every_layout_of_the_weights() -> None:
    w = random(64, 24)
    seconds = []
    for attributes, stored in (({}, w), ({"transB": 1}, np.ascontiguousarray(w.T))):
        model = build([node("Gemm", ["x", "w"], "y", **attributes)], {"x": ["N", 64]}, {"y": ["N", 24]}, {"w": stored})
        seconds.append(estimate_seconds(state(model, {"x": random(48, 64)})))
    assert seconds[0] == pytest.approx(seconds[1])
    assert seconds[0] == pytest.approx(64 * 64 * (2 * 8192 + 64 + 6 * 24) / 2e9)


def test_a_computed_bias_is_not_replaced() -> None:
    """The bias comes from the same samples by another path."""
    nodes = [
        node("ReduceMean", ["x"], "m", axes=[1], keepdims=1),
        node("Gemm", ["x", "w", "m"], "h"),
        node("Relu", ["h"], "r"),
        node("Gemm", ["r", "v", "d"], "y"),
    ]
    weights = {"w": random(8, 6), "v": random(6, 4), "d": random(4)}
    data = {"x": random(48, 8)}
    plain = state(build(nodes, {"x": ["N", 8]}, {"y": ["N", 4]}, weights), data, NARROW)
    outcome = correct(plain)
    biased = next(node for node in outcome.state.model.graph if node.op_type == "Gemm")
    assert biased.inputs[2].name == "m"


def test_bit_operations_count_both_operands_and_32_bits_in_float() -> None:
    plain = state(network(), inputs(), dataclasses.replace(target("octavo"), weights=FOUR_BITS))
    first, second, third = plain.plan.layers
    mixed = derive(plain.with_left_out({third: "to see"}).with_grids({"r": UINT16}))
    assert bit_operations(mixed, {first: 1, second: 10, third: 100}) == {
        first: 4 * 8, second: 10 * 4 * 16, third: 100 * 32 * 32
    }  # fmt: skip


CONVS = [
    {"strides": [2, 1], "pads": [1, 0, 2, 1]},
    {"dilations": [2, 2], "pads": [2, 2, 2, 2]},
    {"group": 2},
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER"},
]


@pytest.mark.parametrize("attributes", CONVS, ids=str)
def test_a_layer_is_the_product_of_its_rows_and_weights(attributes: dict[str, object]) -> None:
    group = int(attributes.get("group", 1))  # type: ignore[call-overload]
    weights = {"w": random(6, 4 // group, 3, 2), "b": random(6)}
    model = build(
        [node("Conv", ["x", "w", "b"], "y", **attributes)], {"x": ["N", 4, 7, 9]}, {"y": ["N", 6, "H", "W"]}, weights
    )
    plain = state(model, {"x": random(5, 4, 7, 9, seed=3)})
    (conv,) = plain.model.graph
    layer = linear(conv)
    assert layer is not None
    x = random(2, 4, 7, 9, seed=4)
    rows = sample_rows(layer, [x], seed=0, most=10**9)
    y = Session(plain.model).run({"x": x})["y"]
    assert layer.bias is not None
    product = (rows @ layer.matrix.transpose(0, 2, 1)).transpose(0, 2, 1).reshape(6, -1) + layer.bias[:, None]
    np.testing.assert_allclose(product, np.moveaxis(y, 1, 0).reshape(6, -1), rtol=1e-4, atol=1e-4)
    assert np.array_equal(layer.from_matrix(layer.to_matrix(weights["w"])), weights["w"])


def test_named_rungs_are_in_the_order_of_the_ladder() -> None:
    assert [rung.name for rung in rungs_named("round,search")] == ["search", "round"]
    assert [rung.name for rung in rungs_named("auto")] == rung_names()[:-1]
    assert rungs_named(["none"]) == []
    with pytest.raises(OptionError, match="no rung 'sing'; use auto, none, or some of search"):
        rungs_named("sing")


def branching() -> onnx.ModelProto:
    """Conv, then an If whose branches read the Conv's output, then Conv."""

    def branch(factor: str, output: str) -> onnx.GraphProto:
        value = helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None)
        return helper.make_graph([node("Mul", ["c", factor], output)], output, [], [value])

    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("ReduceSum", ["c"], "s", keepdims=0),
        node("Greater", ["s", "zero"], "f"),
        node("If", ["f"], "i", then_branch=branch("two", "t"), else_branch=branch("three", "e")),
        node("Conv", ["i", "v"], "y"),
    ]
    weights = {"w": random(6, 4, 3, 3), "v": random(5, 6, 1, 1), "zero": np.zeros((), np.float32)}
    weights |= {"two": np.full(1, 2, np.float32), "three": np.full(1, 3, np.float32)}
    return build(nodes, {"x": ["N", 4, 8, 8]}, {"y": ["N", 5, 6, 6]}, weights)


@pytest.mark.parametrize("name", rung_names())
def test_rungs_keep_models_with_subgraphs(name: str) -> None:
    """A rung that visits layers leaves the state unchanged; another may change it, if the result can be placed."""
    plain, (rung,) = state(branching(), inputs()), rungs_named(name)
    outcome = rung.apply(plain)
    assert outcome.state is plain or not rung.visits_layers
    assert outcome.state.quantized.graph.outputs[0].name == "y"
    assert outcome.note


@pytest.mark.parametrize("name", ["equalize", "smooth", "train"])
def test_rungs_of_the_whole_graph_keep_models_with_subgraphs(name: str) -> None:
    plain = state(branching(), inputs())
    assert rungs_named(name)[0].apply(plain).state is plain
