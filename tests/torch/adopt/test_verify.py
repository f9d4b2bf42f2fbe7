"""Comparison of QDQ models with the PyTorch models they were read from."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

pytest.importorskip("torch")

import torch

from octavo.errors import DataError, TargetError
from octavo.targets import target
from octavo.torch import from_quantized, verify

converting = pytest.importorskip("tests.helpers.torch_conversion")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def converted() -> tuple[ir.Model, Any]:
    module = converting.by_hand([converting.images()], bias=False)
    return from_quantized(module, (converting.images(),)), module


def shifted(model: ir.Model, steps: int) -> ir.Model:
    """The model with its last zero point changed, which shifts every output by `steps`."""
    other = model.clone()
    node = other.graph.outputs[0].producer()
    assert node is not None
    array = node.inputs[2].const_value.numpy() + np.uint8(steps)
    moved = ir.Value(name="moved", const_value=ir.tensor(array, name="moved"), shape=ir.Shape([]))
    moved.type = ir.TensorType(ir.DataType.UINT8)
    other.graph.register_initializer(moved)
    node.replace_input_with(2, moved)
    return other


def test_the_same_model_agrees(converted: tuple[ir.Model, Any]) -> None:
    agreement = verify(*converted, [(converting.images(seed),) for seed in range(3)], target=target("fbgemm"))
    assert agreement.holds
    assert agreement.compared == 60


@pytest.mark.parametrize(("steps", "holds"), [(1, True), (3, False)])
def test_differences_are_in_quantization_steps(converted: tuple[ir.Model, Any], steps: int, holds: bool) -> None:
    model, module = converted
    unshifted = verify(model, module, [(converting.images(),)])
    assert (unshifted.equal, unshifted.worst) == (1.0, 0.0)
    agreement = verify(shifted(model, steps), module, [(converting.images(),)])
    assert agreement.equal == 0.0
    assert agreement.worst == pytest.approx(steps, rel=1e-4)
    assert agreement.holds == holds


class Float(torch.nn.Module):
    """The module with a float output, shifted by `error`."""

    def __init__(self, module: Any, error: float) -> None:
        super().__init__()
        self.module, self.error = module, error

    def forward(self, x: Any) -> Any:
        return self.module(x) + self.error


def test_the_step_of_float_outputs_is_1_255th_of_their_range(converted: tuple[ir.Model, Any]) -> None:
    model, module = converted
    in_float = model.clone()
    node = in_float.graph.outputs[0].producer()
    assert node is not None
    result = ir.node("Identity", [node.outputs[0]], name="float")
    result.outputs[0].name, result.outputs[0].type = "float", node.outputs[0].type
    result.outputs[0].shape = node.outputs[0].shape
    in_float.graph.append(result)
    in_float.graph.outputs[0] = result.outputs[0]
    width = float(np.ptp(module(converting.images()).numpy()))
    assert verify(in_float, Float(module, 4 * width / 255), [(converting.images(),)]).worst == pytest.approx(
        4, rel=1e-3
    )


def test_invalid_arguments_are_errors(converted: tuple[ir.Model, Any]) -> None:
    model, module = converted
    with pytest.raises(DataError, match="no samples"):
        verify(model, module, [])
    with pytest.raises(DataError, match="a sample has 2 arrays but the model takes 1"):
        verify(model, module, [(converting.images(), converting.images())])
    with pytest.raises(DataError, match=r"has shape \(4, 5\) but PyTorch gives \(4, 3, 9, 7\)"):
        verify(model, torch.nn.ReLU(), [(converting.images(),)])
    with pytest.raises(TargetError, match="nvidia-tensorrt takes"):
        verify(model, module, [(converting.images(),)], target=target("nvidia-tensorrt"))
