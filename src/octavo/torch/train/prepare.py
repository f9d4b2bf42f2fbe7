"""Prepare a quantized model for training in PyTorch, and convert the trained network back to QDQ."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram

from octavo.errors import ModelError, OptionError
from octavo.graph import load
from octavo.graph.place import place
from octavo.graph.preflight import check_target
from octavo.graph.proof import prove
from octavo.graph.weights import quantize_constants
from octavo.targets import Target
from octavo.torch.export.digest import module_sha256
from octavo.torch.train.quantization import Quantization
from octavo.torch.train.quantized_network import QuantizedNetwork

# A float model: a PyTorch module or program, or an ONNX model or its path.
FloatModel = torch.nn.Module | ExportedProgram | ir.Model | str | os.PathLike[str]


class Quantized(Protocol):
    """The fields of `octavo.QuantizationResult` that `prepare` reads."""

    target: str
    float_model: ir.Model | None
    state: Any
    sha256: dict[str, str]


def prepare(module: FloatModel, target: str | Target, result: Quantized) -> QuantizedNetwork:
    """Turn a quantization result into a PyTorch module for training in the caller's own loop.

    The module has the model's inputs and outputs. Every forward pass fake-quantizes weights, biases and activations,
    bit for bit as `octavo.affine`, and gradients pass straight through rounding (LSQ). It starts from the ranges
    and integers of the result; BatchNormalization is folded into the weights.

    Args:
        module: float model that the result was made from.
        target: target of the result.
        result: result of `octavo.quantize`.

    Raises:
        OptionError: the result was made for another target or from another module, or holds no model to train.
        ModelError: the model has operators that are not translated to PyTorch; the message names them.
        DependencyError: PyTorch is not installed.
    """
    name = target.name if isinstance(target, Target) else target
    if name != result.target:
        raise OptionError(f"the result was made for {result.target}, not for {name}; quantize for that target first")
    if result.state is None or result.float_model is None:
        raise OptionError(
            "the result holds no model to train; use a result that octavo.quantize returned in this process"
        )
    _check_same(module, result.float_model, result.sha256)
    return trainable(result.state)


def convert(module: QuantizedNetwork) -> ir.Model:
    """Convert a trained network to a QDQ model, with the integers of its forward pass.

    Args:
        module: network that `prepare` returned.

    Raises:
        ModelError: an accumulator could overflow with the trained weights.
        TargetError: the model would break a rule of the target.
    """
    quantization, learned = module.quantization, module.learned()
    plan = quantization.plan
    activations = {
        name: learned.activations.get(tensor.source, quantization.activations[name])
        for name, tensor in plan.tensors.items()
    }
    constants = quantize_constants(learned.model, plan, activations, learned.weights)
    failed = next((proof for proof in prove(learned.model, plan, activations, constants) if not proof.holds), None)
    if failed is not None:
        raise ModelError(
            f"the accumulator of '{failed.layer}' could reach {failed.bound}, beyond 32 bits; train with a smaller "
            "learning rate, or leave the layer in float with exclude"
        )
    model = place(learned.model, plan, activations, constants)
    check_target(model, plan.target)
    model.metadata_props.update(quantization.quantized.metadata_props)
    return model


def trainable(quantization: Quantization) -> QuantizedNetwork:
    """Turn a quantization into a trainable module.

    Raises:
        ModelError: the model has operators that are not translated to PyTorch.
        DependencyError: PyTorch is not installed.
    """
    return QuantizedNetwork(quantization)


def _check_same(module: FloatModel, float_model: ir.Model, sha256: Mapping[str, str]) -> None:
    """Check that `module` has the weights that were quantized."""
    changed = "the module differs from the one that was quantized; quantize it again"
    if isinstance(module, torch.nn.Module | ExportedProgram):
        if sha256.get("module") != module_sha256(module):
            raise OptionError(changed)
        return
    if not isinstance(module, str | os.PathLike | ir.Model):
        raise OptionError(f"a {type(module).__name__} is not a float model; give a PyTorch module or an ONNX model")
    model = module if isinstance(module, ir.Model) else load(module)
    quantized, current = dict(_initializers(float_model)), dict(_initializers(model))
    if quantized.keys() != current.keys() or not all(np.array_equal(quantized[k], current[k]) for k in quantized):
        raise OptionError(changed)


def _initializers(model: ir.Model) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, value in model.graph.initializers.items():
        if value.const_value is not None:
            yield name, value.const_value.numpy()
