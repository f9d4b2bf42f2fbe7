"""Modules in: a PyTorch network as an ONNX model whose nodes are named after its modules."""

from __future__ import annotations

import contextlib
import copy
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from octavo.errors import ModelError, OptionError
from octavo.torch.faults import explain, one_line
from octavo.torch.paths import Interface, layer_paths, rename
from octavo.torch.qdq import own_constants
from octavo.torch.silence import silent
from octavo.torch.translate import pytorch

_OPERATORS_IN_TRAINING = ("aten._native_batch_norm_legit_functional", "aten.native_dropout")
# An example batch of 1 would be taken for a constant; so is, in some networks, one that equals another size.
_COPIES = 3

# The positional and the keyword inputs of a module.
_Inputs = tuple[tuple[Any, ...], dict[str, Any]]


def is_module(model: object) -> bool:
    """Whether this is an `nn.Module` or a `torch.export.ExportedProgram`; PyTorch is not imported to tell."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module | torch.export.ExportedProgram)


def input_names(module: object) -> tuple[list[str], list[str]]:
    """The named parameters of a module's forward, in order, and those among them that have no default."""
    forward: Callable[..., Any] | None = getattr(module, "forward", None)
    parameters = [] if forward is None else list(inspect.signature(forward).parameters.values())
    named = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    return [each.name for each in named], [each.name for each in named if each.default is each.empty]


def to_onnx(module: Any, example_inputs: Any = None, dynamic_shapes: Any = None) -> ir.Model:
    """The ONNX model of a float32 network, in eval mode; the network stays as it is.

    Nodes are named after the modules they come from: `layer1.0.conv1` is the convolution of the `Conv2d` there,
    `layer1.0.add` an addition in the forward of `layer1.0`. Initializers keep the names of parameters, inputs
    those of forward's arguments, outputs the keys or fields they are returned under (else `output`, or
    `output_0`, `output_1`...).

    Args:
        module: an `nn.Module`, or a `torch.export.ExportedProgram` of one in eval mode.
        example_inputs: what forward takes, for a module: one tensor, a tuple of positional inputs, or a dict of
            keyword inputs; tensors or NumPy arrays. Their values do not matter, their shapes and types do.
        dynamic_shapes: which axes may vary, as for `torch.export.export`. By default axis 0, named `batch`, of
            all inputs that have the size of the first one there; where the network does not allow it, none.

    Returns:
        A model in memory that shares nothing with the module; ONNX opset as the installed PyTorch writes it.

    Raises:
        ModelError: the module fails on the example inputs, is not float32, or cannot be exported; the sentence
            names the smallest module that cannot.
        OptionError: an ExportedProgram comes with example inputs or dynamic shapes.
        DependencyError: PyTorch is not installed.
    """
    torch = pytorch()
    if isinstance(module, torch.export.ExportedProgram):
        if example_inputs is not None or dynamic_shapes is not None:
            raise OptionError("an ExportedProgram has its inputs and shapes already; leave out example_inputs")
        _check_float32(torch, {**module.state_dict, **module.constants})
        return _converted_program(torch, module)
    if not isinstance(module, torch.nn.Module):
        raise ModelError(f"a {type(module).__name__} is no PyTorch module; give an nn.Module or an ExportedProgram")
    if example_inputs is None:
        raise ModelError("a PyTorch module does not say what it takes; give example_inputs, for example (x,)")
    module = _bare(module)
    _check_float32(torch, {**dict(module.named_parameters()), **dict(module.named_buffers())})
    with silent(), torch.no_grad():
        module = _on_cpu(torch, module)
        inputs = _inputs(torch, example_inputs)
        _check_fits(module, inputs)
        with _as_for_inference(module):
            return _converted_module(torch, module, inputs, dynamic_shapes)


def _converted_program(torch: Any, program: Any) -> ir.Model:
    with silent(), torch.no_grad():
        try:
            return _convert(torch, program, None)
        except Exception as error:
            raise ModelError(
                f"the ExportedProgram cannot be turned into ONNX ({one_line(error)}); "
                "give the module itself to learn which part of it"
            ) from error


def _converted_module(torch: Any, module: Any, inputs: _Inputs, shapes: Any) -> ir.Model:
    def attempt(part: Any, given: _Inputs, dynamic: Any) -> ir.Model:
        args, kwargs = given
        program = torch.export.export(part, args, kwargs, dynamic_shapes=dynamic, strict=False)
        return _convert(torch, program, dynamic)

    try:
        if shapes is not None:
            return attempt(module, inputs, shapes)
        with contextlib.suppress(Exception):
            repeated, axes = _repeated(torch, module, inputs)
            model = attempt(module, repeated, axes)
            # One that fixed the repeated batch would be a model of a batch that nobody gave.
            if repeated is inputs or any("batch" in str(value.shape) for value in model.graph.inputs):
                return model
        return attempt(module, inputs, None)
    except Exception as error:
        fault = explain(torch, module, *inputs, lambda part, args, kwargs: attempt(part, (args, kwargs), None), error)
        raise ModelError(fault) from error


def _repeated(torch: Any, module: Any, inputs: _Inputs) -> tuple[_Inputs, dict[str, Any]]:
    """The inputs with more than one sample in each, and the batch axes, in the form of forward's arguments."""
    args, kwargs = inputs
    tensors = [each for each in _leaves((args, kwargs)) if isinstance(each, torch.Tensor) and each.ndim]
    batch = tensors[0].shape[0] if tensors else 0

    def more(value: Any) -> Any:
        return torch.cat([value] * _COPIES) if _counts(value) and batch == 1 else value

    def axes(value: Any) -> Any:
        return {0: torch.export.Dim.AUTO} if _counts(value) else None

    def _counts(value: Any) -> bool:
        return isinstance(value, torch.Tensor) and value.ndim > 0 and value.shape[0] == batch

    bound = inspect.signature(module.forward).bind(*args, **kwargs).arguments
    return (_mapped(more, inputs) if batch == 1 else inputs), _mapped(axes, dict(bound))


def _convert(torch: Any, program: Any, shapes: Any) -> ir.Model:
    found = torch.onnx.export(program, dynamo=True, optimize=False, verbose=False)
    _check_inference(found.model)
    # Fusing hands a convolution's work to the batch norm behind it: whose it was is read before.
    layers = layer_paths(found.model)
    found.optimize()
    model: ir.Model = found.model
    signature, spec = program.graph_signature, program.call_spec.out_spec
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
        if any(operator in origin for operator in _OPERATORS_IN_TRAINING):
            raise ModelError("dropout or batch norm runs as in training, which eval() before torch.export ends")


def _check_float32(torch: Any, tensors: Mapping[str, Any]) -> None:
    for name, tensor in tensors.items():
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point() and tensor.dtype != torch.float32:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise ModelError(f"'{name}' of the module is {kind} but float32 is needed; call float() on the module")


def _check_fits(module: Any, inputs: _Inputs) -> None:
    try:
        inspect.signature(module.forward).bind(*inputs[0], **inputs[1])
    except TypeError as error:
        kind = type(module).__name__
        raise ModelError(
            f"the example inputs are not what the forward of {kind} takes ({error}); "
            "give a tuple in its order, or a dict by its names"
        ) from None


def _bare(module: Any) -> Any:
    """The module inside torch.compile and DataParallel, which would be in front of every name."""
    if type(module).__name__ == "OptimizedModule":
        return _bare(module._orig_mod)
    if type(module).__name__ in ("DataParallel", "DistributedDataParallel"):
        return _bare(module.module)
    return module


def _on_cpu(torch: Any, module: Any) -> Any:
    """The module, or a copy of one that has tensors elsewhere."""
    tensors = [*module.parameters(), *module.buffers()]
    if any(tensor.device.type == "meta" for tensor in tensors):
        raise ModelError("the module has parameters without values (device meta); load its weights first")
    if all(tensor.device.type == "cpu" for tensor in tensors):
        return module
    return copy.deepcopy(module).cpu()


def _inputs(torch: Any, example: Any) -> _Inputs:
    def tensor(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return torch.from_numpy(np.array(value))
        return value.detach().cpu() if isinstance(value, torch.Tensor) else value

    if isinstance(example, Mapping):
        return (), {str(name): _mapped(tensor, value) for name, value in example.items()}
    return tuple(_mapped(tensor, each) for each in (example if isinstance(example, tuple | list) else (example,))), {}


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """`function` of every leaf of nested dicts, lists and tuples."""
    if isinstance(value, Mapping):
        return {key: _mapped(function, each) for key, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_mapped(function, each) for each in value))
    if isinstance(value, tuple | list):
        return type(value)(_mapped(function, each) for each in value)
    return function(value)


def _leaves(value: Any) -> list[Any]:
    found: list[Any] = []
    _mapped(found.append, value)
    return found


@contextlib.contextmanager
def _as_for_inference(module: Any) -> Iterator[None]:
    """Eval mode; training flags, each submodule's own, and buffers are put back."""
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
