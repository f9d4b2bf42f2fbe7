"""State dicts of quantized modules put into float ONNX models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

pytest.importorskip("torch")

import torch

from octavo.errors import ModelError
from octavo.targets import target
from octavo.torch import from_state_dict, verify

converting = pytest.importorskip("tests.helpers.torch_conversion")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
ADD = {"/Add": "skip"}


@pytest.fixture(scope="module")
def eager(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("eager")
    converting.in_onnx(converting.seeded(converting.Residual), converting.images(), folder)
    return folder / "float.onnx", converting.by_hand([converting.images()])


@pytest.fixture(scope="module")
def fx(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder, module = tmp_path_factory.mktemp("fx"), converting.seeded(converting.Chain)
    converting.in_onnx(module, converting.images(), folder)
    return folder / "float.onnx", converting.by_fx(module, [converting.images()])


def test_state_dict_of_the_eager_flow(eager: tuple[Path, Any]) -> None:
    file, module = eager
    model = from_state_dict(file, module.state_dict(), names=ADD)
    assert verify(model, module, [(converting.images(1),)], target=target("fbgemm")).holds
    stored = model.graph.initializers["conv2.weight_quantized"].const_value.numpy()
    assert np.array_equal(stored, module.conv2.weight().int_repr().numpy())


def test_state_dict_of_the_fx_flow(fx: tuple[Path, Any]) -> None:
    file, module = fx
    model = from_state_dict(ir.load(file), module.state_dict())
    assert verify(model, module, [(converting.images(1),)], target=target("fbgemm")).holds
    inputs = [node for node in model.graph if node.op_type == "QuantizeLinear" and node.inputs[0].name == "x"]
    assert inputs[0].inputs[1].const_value.numpy() == module.conv1_input_scale_0.numpy()


def test_layers_without_integers_stay_in_float(fx: tuple[Path, Any]) -> None:
    file, module = fx
    state = {key: value for key, value in module.state_dict().items() if not key.startswith("fc")}
    model = from_state_dict(file, state)
    (gemm,) = [node for node in model.graph if node.op_type == "Gemm"]
    assert gemm.inputs[1].is_initializer()


def test_biases_come_from_the_state_dict(fx: tuple[Path, Any]) -> None:
    file, module = fx
    state = dict(module.state_dict())
    state["conv1.bias"] = state["conv1.bias"] + 0.25
    original, shifted = (from_state_dict(file, entries) for entries in (module.state_dict(), state))
    names = ("conv1.given_bias_quantized", "conv1.given_bias_scale")
    biases = [
        np.prod([model.graph.initializers[name].const_value.numpy() for name in names], axis=0)
        for model in (original, shifted)
    ]
    np.testing.assert_allclose(biases[1] - biases[0], 0.25, atol=1e-3)


def changed(state: Any, **entries: Any) -> dict[str, Any]:
    return {**state, **{key.replace("__", "."): value for key, value in entries.items()}}


def test_errors_name_the_key_or_the_tensor(eager: tuple[Path, Any], fx: tuple[Path, Any]) -> None:
    file, module = eager
    state = module.state_dict()
    with pytest.raises(ModelError, match=r"'other.scale' of the state dict has no counterpart"):
        from_state_dict(file, changed(state, other__scale=torch.tensor(1.0)), names=ADD)
    with pytest.raises(ModelError, match=r"'conv9.weight' of the state dict has no counterpart"):
        from_state_dict(file, changed(state, conv9__weight=state["conv2.weight"]), names=ADD)
    with pytest.raises(ModelError, match=r"no scale for .* of Add '/Add'"):
        from_state_dict(file, state)
    with pytest.raises(ModelError, match="names maps '/Add' to module 'none'"):
        from_state_dict(file, state, names={"/Add": "none"})
    with pytest.raises(ModelError, match=r"no scale for graph input 'x'"):
        from_state_dict(file, {key: value for key, value in state.items() if "quant." not in key}, names=ADD)
    with pytest.raises(ModelError, match=r"'conv1.*' has shape \(32, 32, 3, 3\) but the weight of Conv"):
        from_state_dict(file, changed(state, conv1__weight=state["conv2.weight"]), names=ADD)
    with pytest.raises(ModelError, match="no quantized weights"):
        from_state_dict(file, converting.seeded(converting.Residual).state_dict())
    with pytest.raises(ModelError, match="bias of Conv '/conv2/Conv' does not fit 32 bits"):
        from_state_dict(file, changed(state, conv2__bias=torch.full((32,), 1e9)), names=ADD)
