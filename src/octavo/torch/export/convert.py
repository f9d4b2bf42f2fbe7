"""Export a PyTorch network to an ONNX model whose nodes are named after its modules."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from typing import Any

import onnx_ir as ir
import torch
from torch import nn
from torch.export import ExportedProgram

from octavo.errors import ModelError, OptionError
from octavo.torch.export.constants import own_constants
from octavo.torch.export.faults import explain, one_line
from octavo.torch.export.inputs import Inputs, as_inputs, check_fits, with_batch_axes
from octavo.torch.export.names import Interface, layer_paths, rename
from octavo.torch.export.silence import silent

_TRAINING_OPERATORS = ("aten._native_batch_norm_legit_functional", "aten.native_dropout")


def to_onnx(module: nn.Module | ExportedProgram, example_inputs: Any = None, dynamic_shapes: Any = None) -> ir.Model:
    """Export a float32 network in eval mode to ONNX; the network is not changed.

    Nodes are named after the modules they come from: `layer1.0.conv1` is the convolution of the `Conv2d` there,
    `layer1.0.add` an addition in the forward of `layer1.0`. Initializers keep the names of parameters, inputs
    those of forward's arguments, outputs the keys or fields they are returned under (else `output`, or
    `output_0`, `output_1`...).

    Args:
        module: an `nn.Module`, or a `torch.export.ExportedProgram` of one in eval mode.
        example_inputs: inputs of forward, for a module: one tensor, a tuple of positional inputs, or a dict of
            keyword inputs; tensors or NumPy arrays. Only their shapes and dtypes matter.
        dynamic_shapes: dynamic axes, as for `torch.export.export`. By default axis 0, named `batch`, of all inputs
            with the size of the first one there; none if the network does not support it.

    Returns:
        A model in memory that shares no data with the module; its ONNX opset is the installed PyTorch's.

    Raises:
        ModelError: the module fails on the example inputs, is not float32, or cannot be exported; the message
            names the smallest module that cannot.
        OptionError: an ExportedProgram comes with example inputs or dynamic shapes.
        DependencyError: PyTorch is not installed.
    """
    if isinstance(module, ExportedProgram):
        if example_inputs is not None or dynamic_shapes is not None:
            raise OptionError(
                "an ExportedProgram already has inputs and shapes; leave out example_inputs and dynamic_shapes"
            )
        _check_float32({**module.state_dict, **module.constants})
        return _export_program(module)
    if not isinstance(module, nn.Module):
        raise ModelError(f"a {type(module).__name__} is not a PyTorch module; give an nn.Module or an ExportedProgram")
    if example_inputs is None:
        raise ModelError(
            "a PyTorch module does not declare the shapes of its inputs; give example_inputs, for example (x,)"
        )
    module = _unwrapped(module)
    _check_float32({**dict(module.named_parameters()), **dict(module.named_buffers())})
    with silent(), torch.no_grad():
        module = _on_cpu(module)
        inputs = as_inputs(example_inputs)
        check_fits(module, inputs)
        with _eval_mode(module):
            return _export_module(module, inputs, dynamic_shapes)


def _export_program(program: ExportedProgram) -> ir.Model:
    with silent(), torch.no_grad():
        try:
            return _convert(program, None)
        except Exception as error:
            raise ModelError(
                f"the ExportedProgram cannot be exported to ONNX ({one_line(error)}); "
                "give the module itself to find the part that fails"
            ) from error


def _export_module(module: nn.Module, inputs: Inputs, shapes: Any) -> ir.Model:
    try:
        if shapes is not None:
            return _attempt(module, inputs, shapes)
        with contextlib.suppress(Exception):
            repeated, axes = with_batch_axes(module, inputs)
            model = _attempt(module, repeated, axes)
            # If the export fixed the repeated batch size, the model would only take that size.
            if repeated is inputs or any("batch" in str(value.shape) for value in model.graph.inputs):
                return model
        return _attempt(module, inputs, None)
    except Exception as error:
        fault = explain(module, inputs, lambda part, part_inputs: _attempt(part, part_inputs, None), error)
        raise ModelError(fault) from error


def _attempt(module: nn.Module, inputs: Inputs, shapes: Any) -> ir.Model:
    args, kwargs = inputs
    program = torch.export.export(module, args, kwargs, dynamic_shapes=shapes, strict=False)
    return _convert(program, shapes)


def _convert(program: ExportedProgram, shapes: Any) -> ir.Model:
    exported = torch.onnx.export(program, dynamo=True, optimize=False, verbose=False)
    assert exported is not None
    _check_inference(exported.model)
    # Optimization fuses batch norms into convolutions: read the module paths before it.
    layers = layer_paths(exported.model)
    exported.optimize()
    model: ir.Model = exported.model
    signature, spec = program.graph_signature, program.call_spec.out_spec
    assert spec is not None
    rename(
        model,
        layers,
        Interface(
            inputs=[str(name) for name in signature.user_inputs if isinstance(name, str)],
            outputs=[name is not None for name in signature.user_outputs],
            returned=spec.unflatten(list(range(spec.num_leaves))),
            dimensions=shapes,
        ),
    )
    own_constants(model)
    return model


def _check_inference(model: ir.Model) -> None:
    for node in model.graph:
        origin = node.metadata_props.get("pkg.torch.onnx.class_hierarchy", "")
        if any(operator in origin for operator in _TRAINING_OPERATORS):
            raise ModelError("dropout or batch norm is in training mode; call eval() before torch.export")


def _check_float32(tensors: Mapping[str, Any]) -> None:
    for name, tensor in tensors.items():
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point() and tensor.dtype != torch.float32:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise ModelError(f"'{name}' of the module is {kind} but float32 is needed; call float() on the module")


def _unwrapped(module: nn.Module) -> nn.Module:
    """Return the module inside torch.compile and DataParallel, which would prefix every name."""
    inner: Any = module
    if type(module).__name__ == "OptimizedModule":
        return _unwrapped(inner._orig_mod)
    if type(module).__name__ in ("DataParallel", "DistributedDataParallel"):
        return _unwrapped(inner.module)
    return module


def _on_cpu(module: nn.Module) -> nn.Module:
    """Return the module, or a copy on the CPU if it has tensors elsewhere."""
    tensors = [*module.parameters(), *module.buffers()]
    if any(tensor.device.type == "meta" for tensor in tensors):
        raise ModelError("the module has parameters without values (device meta); load its weights first")
    if all(tensor.device.type == "cpu" for tensor in tensors):
        return module
    return copy.deepcopy(module).cpu()


@contextlib.contextmanager
def _eval_mode(module: nn.Module) -> Iterator[None]:
    """Set eval mode; restore the training flag of every submodule and all buffers afterwards."""
    flags = {part: part.training for part in module.modules()}
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    module.eval()
    try:
        yield
    finally:
        for part, training in flags.items():
            part.training = training
        for buffer, before in buffers:
            buffer.copy_(before)
