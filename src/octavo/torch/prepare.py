"""From a quantization to a PyTorch module to be trained, and back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.errors import ModelError, OptionError
from octavo.graph import load
from octavo.graph.place import place
from octavo.graph.preflight import check_target
from octavo.graph.proof import prove
from octavo.graph.weights import quantize_constants
from octavo.targets import Target
from octavo.torch.digest import module_sha256
from octavo.torch.export import is_module
from octavo.torch.translate import pytorch

if TYPE_CHECKING:
    from octavo.torch.network import Network, Quantization, QuantizedNetwork


class Quantized(Protocol):
    """What of an `octavo.QuantizationResult` is read here."""

    target: str
    float_model: ir.Model | None
    state: Any
    sha256: dict[str, str]


def prepare(module: Any, target: str | Target, result: Quantized) -> QuantizedNetwork:
    """The quantized model of a result as a PyTorch module, to be trained in a loop of one's own.

    It takes and gives what the model does; every forward pass sees weights, biases and activations on their grids,
    bit for bit as `octavo.affine` puts them there, and gradients go straight through the rounding (LSQ). It
    begins with the ranges and integers of the result; BatchNormalization is folded into the weights.

    Args:
        module: the float model that the result was made from: a PyTorch module, an ONNX model or its path.
        target: the result's.
        result: of `octavo.quantize`.

    Raises:
        OptionError: the result was made for another target, or from another module, or holds no model to train.
        ModelError: the model has operators that are not translated to PyTorch; the sentence names them.
        DependencyError: PyTorch is not installed.
    """
    pytorch()
    name = target.name if isinstance(target, Target) else target
    if name != result.target:
        raise OptionError(f"the result was made for {result.target}, not for {name}; quantize for that target first")
    if result.state is None or result.float_model is None:
        raise OptionError("the result holds no model to train; take that of octavo.quantize in this process")
    _check_same(module, result)
    return trainable(result.state)


def convert(module: QuantizedNetwork) -> ir.Model:
    """The trained network as a QDQ model: the integers of its forward pass, placed as quantization after training does.

    Args:
        module: from `prepare`.

    Raises:
        ModelError: a layer's accumulator could overflow with the weights it has now.
        TargetError: the model would break a rule of the target.
    """
    found, learnt = module.quantization, module.learnt()
    plan = found.plan
    activations = {
        name: learnt.activations.get(tensor.source, found.activations[name]) for name, tensor in plan.tensors.items()
    }
    constants = quantize_constants(learnt.model, plan, activations, learnt.weights)
    failed = next((proof for proof in prove(learnt.model, plan, activations, constants) if not proof.holds), None)
    if failed is not None:
        raise ModelError(
            f"the accumulator of '{failed.layer}' could reach {failed.bound}, beyond 32 bits; train with a smaller "
            "learning rate, or leave the layer in float with exclude"
        )
    model = place(learnt.model, plan, activations, constants)
    check_target(model, plan.target)
    model.metadata_props.update(found.quantized.metadata_props)
    return model


def trainable(found: Quantization) -> QuantizedNetwork:
    """A quantization on its way as a module to be trained.

    Raises:
        ModelError: the model has operators that are not translated to PyTorch.
        DependencyError: PyTorch is not installed.
    """
    pytorch()
    from octavo.torch.network import QuantizedNetwork

    return QuantizedNetwork(found)


def as_module(model: str | os.PathLike[str] | ir.Model) -> Network:
    """An ONNX model, float or QDQ, as a PyTorch module: Q and DQ compute the integers of `octavo.affine`.

    Raises:
        ModelError: the model cannot be read, or has operators that are not translated to PyTorch.
        DependencyError: PyTorch is not installed.
    """
    pytorch()
    from octavo.torch.network import Network

    return Network(_model(model))


def _check_same(module: Any, result: Quantized) -> None:
    """Whether the module holds what the result was made from."""
    changed = "the module is not what the result was made from, or has changed since; quantize it as it is now"
    if is_module(module):
        if result.sha256.get("module") != module_sha256(module):
            raise OptionError(changed)
        return
    if not isinstance(module, str | os.PathLike | ir.Model):
        raise OptionError(f"a {type(module).__name__} is no float model; give a PyTorch module, or an ONNX model")
    assert result.float_model is not None
    ours, theirs = (dict(_initializers(each)) for each in (result.float_model, _model(module)))
    if ours.keys() != theirs.keys() or not all(np.array_equal(ours[name], theirs[name]) for name in ours):
        raise OptionError(changed)


def _model(model: str | os.PathLike[str] | ir.Model) -> ir.Model:
    return model if isinstance(model, ir.Model) else load(model)


def _initializers(model: ir.Model) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, value in model.graph.initializers.items():
        if value.const_value is not None:
            yield name, value.const_value.numpy()
