"""Quantized models as PyTorch modules: inference and training against ONNX Runtime and the original state."""

from __future__ import annotations

import copy
import sys
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

pytest.importorskip("torch")

import torch
from tests.helpers import models, states

import octavo
from octavo.engines.onnxruntime import Session
from octavo.errors import DataError, DependencyError, ModelError, OptionError
from octavo.graph.weights import quantize_constants
from octavo.quantizer import State
from octavo.recover import rungs_named
from octavo.targets import target, target_names
from octavo.torch import as_module, convert, finetune, prepare, trainable

UNSUPPORTED = {"pool_with_indices", "resize", "if_subgraph", "local_function"}
PATTERNS = sorted(set(models.PATTERNS) - UNSUPPORTED)
FOUR = target("octavo").with_bits(4, 4)


def outputs(module: Any, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    with torch.no_grad():
        result = module(**{name: torch.tensor(feeds[name]) for name in module.input_names})
    return [output.numpy() for output in (result if isinstance(result, tuple) else (result,))]


def step(state: State) -> float:
    """The largest step of any activation."""
    return max((float(params.scale) for params in state.activations.values()), default=0.0)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_an_untrained_network_computes_the_quantized_model(pattern: str) -> None:
    proto = models.PATTERNS[pattern]()
    feeds = models.feeds(proto)
    state = states.state(proto, feeds)
    expected = list(Session(state.quantized, threads=1).run(feeds).values())
    for module in (trainable(state), as_module(state.quantized)):
        for output, reference in zip(outputs(module, feeds), expected, strict=True):
            assert np.abs(output.astype(np.float64) - reference).max(initial=0.0) <= 1.01 * step(state) + 1e-5


@pytest.mark.parametrize("to", target_names())
def test_an_untrained_network_converts_to_the_same_integers(to: str) -> None:
    proto = models.mlp() if target(to).weights_only else states.network()
    samples = models.feeds(proto, batch=32)
    state = states.state(proto, samples, target(to))
    learned = trainable(state).learned()
    assert {key: weight.params.scale.tolist() for key, weight in learned.weights.items()} == {
        key: state.constants[key].as_in_model().params.scale.tolist() for key in learned.weights
    }
    constants = quantize_constants(learned.model, state.plan, state.activations, learned.weights)
    for key, constant in state.constants.items():
        np.testing.assert_array_equal(constants[key].integers, constant.integers)
    converted = Session(convert(trainable(state)), threads=1).run(samples)
    for name, expected in Session(state.quantized, threads=1).run(samples).items():
        np.testing.assert_array_equal(converted[name], expected)


def test_training_starts_from_the_integers_that_a_rung_chose() -> None:
    plain = states.state(states.network(), states.inputs(), FOUR)
    rounded = rungs_named("round")[0].apply(plain).state
    learned = trainable(rounded).learned()
    changed = 0
    for key, constant in rounded.decisions.constants.items():
        np.testing.assert_array_equal(learned.weights[key].integers, constant.integers)
        changed += int((constant.integers != plain.constants[key].as_in_model().integers).sum())
    assert changed > 0


def test_the_converted_model_has_the_integers_of_the_trained_forward_pass() -> None:
    state = states.state(states.network(), states.inputs(), FOUR)
    network = trainable(state)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    x = torch.tensor(states.inputs()["x"])
    for _ in range(20):
        optimizer.zero_grad()
        network(x).square().mean().backward()
        optimizer.step()
    unseen = states.inputs(40, seed=5)
    trained, converted = outputs(network, unseen)[0], states.outputs(convert(network), unseen)
    grid = network.learned().activations["y"]
    assert not np.array_equal(states.outputs(state.quantized, unseen), converted)
    assert np.abs(trained - converted).max() <= 1.01 * float(grid.scale)
    assert (trained == converted).mean() > 0.999


def test_every_parameter_gets_a_gradient() -> None:
    state = states.state(states.network(), states.inputs(), FOUR)
    network = trainable(state)
    network(torch.tensor(states.inputs()["x"])).square().sum().backward()
    missing = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().any()]
    assert missing == []
    names = [name for name, _ in network.named_parameters()]
    assert {"conv_c:weight", "conv_c:bias", "grid:conv_c:weight.scale", "grid:x.scale", "grid:x.zero_point"} <= set(
        names
    )


def test_a_deep_copy_has_its_own_parameters() -> None:
    network = trainable(states.state(states.network(), states.inputs(), FOUR))
    other = copy.deepcopy(network)
    before = outputs(network, states.inputs(4))[0]
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.5)
    np.testing.assert_array_equal(outputs(network, states.inputs(4))[0], before)
    assert not np.array_equal(outputs(other, states.inputs(4))[0], before)


def test_state_dicts_can_be_loaded() -> None:
    state = states.state(states.network(), states.inputs(), FOUR)
    network, other = trainable(state), trainable(state)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.01)
    other.load_state_dict(network.state_dict())
    np.testing.assert_array_equal(outputs(network, states.inputs(4))[0], outputs(other, states.inputs(4))[0])


def test_inputs_by_position_and_name() -> None:
    network = trainable(states.state(states.network(), states.inputs()))
    x = torch.tensor(states.inputs(2)["x"])
    assert torch.equal(network(x), network(x=x))
    for arguments in ((), (x, x)):
        with pytest.raises(DataError, match="the network takes x, but got"):
            network(*arguments)


def test_unsupported_operators_are_named() -> None:
    proto = models.resize()
    with pytest.raises(ModelError, match="not translated to PyTorch \\(Resize\\)"):
        trainable(states.state(proto, models.feeds(proto)))


@pytest.fixture(scope="module")
def result() -> octavo.QuantizationResult:
    return octavo.quantize(states.network(), states.inputs(), "octavo", weight_bits=4, verify=False)


def test_prepare_finetune_and_convert_reduce_the_error(result: octavo.QuantizationResult) -> None:
    network = prepare(ir.from_proto(states.network()), "octavo", result)
    finetune(network, states.inputs(), epochs=30, batch_size=8, seed=1)
    model = convert(network)
    unseen = states.inputs(32, seed=7)
    reference = models.run(states.network(), unseen)["y"]

    def noise(quantized: ir.Model) -> float:
        return float(np.square(states.outputs(quantized, unseen) - reference).mean())

    assert noise(model) < noise(result.model)
    assert model.metadata_props["octavo.target"] == "octavo"


def test_the_module_of_a_result_computes_the_same_integers(result: octavo.QuantizationResult) -> None:
    unseen = states.inputs(32, seed=7)
    difference = np.abs(outputs(result.module, unseen)[0] - states.outputs(result.model, unseen))
    output = next(layer.output for layer in result.layers if layer.output and layer.output.tensor == "y")
    assert difference.max() <= 1.01 * output.scale[0]
    assert (difference == 0).mean() > 0.999


def test_a_module_or_target_of_another_result_is_an_error(result: octavo.QuantizationResult) -> None:
    with pytest.raises(OptionError, match="made for octavo, not for x86-vnni"):
        prepare(ir.from_proto(states.network()), "x86-vnni", result)
    other = states.network()
    other.graph.initializer[0].raw_data = bytes(len(other.graph.initializer[0].raw_data))
    with pytest.raises(OptionError, match="the module differs from the one that was quantized"):
        prepare(ir.from_proto(other), "octavo", result)
    with pytest.raises(OptionError, match="the module differs from the one that was quantized"):
        prepare(torch.nn.Linear(3, 3), "octavo", result)
    with pytest.raises(OptionError, match="is not a float model"):
        prepare(3, "octavo", result)


def test_without_pytorch_the_extra_is_named(result: octavo.QuantizationResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    model = ir.from_proto(states.network())
    for call in (lambda: result.module, lambda: octavo.torch.prepare(model, "octavo", result)):
        with pytest.raises(DependencyError, match="octavo\\[torch\\]"):
            call()
