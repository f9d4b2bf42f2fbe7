"""PyTorch modules as ONNX models, layers named by the modules' own paths."""

from __future__ import annotations

import ast
import hashlib
import inspect
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from copy import deepcopy
from typing import Any

import onnx_ir as ir

from octavo.errors import ModelError
from octavo.torch.translate import pytorch

_SCOPES = "pkg.torch.onnx.name_scopes"
# The operators that a module is named for, where it becomes several.
_MAIN = ("Conv", "ConvTranspose", "Gemm", "MatMul", "LayerNormalization", "BatchNormalization", "Gather")
_BATCH = "batch"


def to_onnx(module: Any, example_inputs: Any = None, dynamic_shapes: Any = None) -> ir.Model:
    """A module as an ONNX model, through torch.export; the module itself is left as it was.

    Nodes are named by the paths of the modules they come from: `layer1.0.conv1` for the product of a layer, and
    `layer1.0.add` for what else a module does. Dropout and the like are exported as in evaluation.

    Args:
        module: a float32 nn.Module, or what torch.export.export made of one.
        example_inputs: what forward takes: a tuple of positional inputs, a dict of named ones, or one tensor.
            An exported program has its own.
        dynamic_shapes: as torch.export.export takes them; by default the first axis of every input is of any
            size, where the module allows that.

    Raises:
        ModelError: the module, or a module inside it that the sentence names, cannot be exported; forward fails on
            the inputs; or its parameters are not float32.
        DependencyError: PyTorch is not installed.
    """
    torch = pytorch()
    if isinstance(module, torch.export.ExportedProgram):
        _check_float(module.state_dict)
        return _finished(_silently(lambda: _translated(torch, module), "the exported program"), None)
    if example_inputs is None:
        raise ModelError("a PyTorch module needs example_inputs to be exported; give a tuple of what forward takes")
    _check_float(module.state_dict())
    module, args, kwargs = _on_cpu(torch, module, *_arguments(torch, example_inputs))
    with _evaluating(module):
        _try_forward(torch, module, args, kwargs)
        program = _exported(torch, module, args, kwargs, dynamic_shapes)
    return _finished(program, None if dynamic_shapes is not None else _BATCH)


def is_module(model: Any) -> bool:
    """Whether it is a PyTorch module or an exported program; PyTorch is not imported to tell."""
    kinds = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(model).__mro__}
    return bool(kinds & {"torch.nn.modules.module.Module", "torch.export.exported_program.ExportedProgram"})


def module_sha256(module: Any) -> str:
    """SHA-256 of the names, types, shapes and contents of all that the module's state_dict holds."""
    state = module.state_dict if isinstance(module.state_dict, Mapping) else module.state_dict()
    digest = hashlib.sha256()
    for name in sorted(state):
        if hasattr(state[name], "detach"):
            array = state[name].detach().cpu().contiguous()
            digest.update(f"{name}:{array.dtype}:{tuple(array.shape)};".encode())
            digest.update(array.reshape(-1).view(pytorch().uint8).numpy().tobytes() if array.numel() else b"")
    return digest.hexdigest()


def _arguments(torch: Any, example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(example, Mapping):
        return (), dict(example)
    return (tuple(example), {}) if isinstance(example, tuple | list) else ((example,), {})


def _check_float(state: Mapping[str, Any]) -> None:
    for name, each in state.items():
        if hasattr(each, "is_floating_point") and each.is_floating_point() and str(each.dtype) != "torch.float32":
            raise ModelError(f"'{name}' of the module is {each.dtype}; convert the module to float32 with .float()")


def _on_cpu(torch: Any, module: Any, args: Any, kwargs: Any) -> tuple[Any, Any, Any]:
    """The module and its inputs, copies of them where they are on another device."""
    here = all(each.device.type == "cpu" for each in module.state_dict().values() if hasattr(each, "device"))
    moved = module if here else deepcopy(module).cpu()

    def cpu(value: Any) -> Any:
        return value.detach().cpu() if isinstance(value, torch.Tensor) else value

    return moved, *(torch.utils._pytree.tree_map(cpu, part) for part in (args, kwargs))


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    training = {each: each.training for each in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for each, was in training.items():
            each.training = was


def _try_forward(torch: Any, module: Any, args: Any, kwargs: Any) -> None:
    try:
        with torch.no_grad():
            module(*args, **kwargs)
    except Exception as error:
        raise ModelError(
            f"the module fails on its example inputs ({_reason(error)}); give example_inputs as its forward takes them"
        ) from None


def _exported(torch: Any, module: Any, args: Any, kwargs: Any, dynamic_shapes: Any) -> ir.Model:
    if dynamic_shapes is None:
        # A size of 1 counts as fixed, so an example of one sample is doubled; not every module takes two.
        with suppress(ModelError):
            more, named = (_several(torch, part) for part in (args, kwargs))
            _try_forward(torch, module, more, named)
            return _program(torch, module, more, named, _any_batch(torch, module, more, named))
    return _program(torch, module, args, kwargs, dynamic_shapes)


def _program(torch: Any, module: Any, args: Any, kwargs: Any, dynamic_shapes: Any) -> ir.Model:
    try:
        return _attempt(torch, module, args, kwargs, dynamic_shapes)
    except Exception as error:
        path, kind, reason = _culprit(torch, module, args, kwargs) or ("", type(module).__name__, _reason(error))
        which = f"module '{path}' ({kind})" if path else f"the module {kind}"
        raise ModelError(
            f"{which} cannot be exported ({reason}); rewrite its forward for torch.export, or export the model yourself"
        ) from None


def _attempt(torch: Any, module: Any, args: Any, kwargs: Any, dynamic_shapes: Any) -> ir.Model:
    with _silence():
        program = torch.export.export(module, args, kwargs, dynamic_shapes=dynamic_shapes, strict=False)
        return _translated(torch, program)


def _translated(torch: Any, program: Any) -> ir.Model:
    model: ir.Model = torch.onnx.export(program, dynamo=True, verbose=False).model
    return model


def _silently(work: Callable[[], ir.Model], what: str) -> ir.Model:
    try:
        with _silence():
            return work()
    except Exception as error:
        raise ModelError(f"{what} cannot be exported ({_reason(error)}); check it with torch.onnx.export") from None


@contextmanager
def _silence() -> Iterator[None]:
    """The exporter reports to the terminal in many ways; what matters is in its exception."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _culprit(torch: Any, module: Any, args: Any, kwargs: Any) -> tuple[str, str, str] | None:
    """Path, type and reason of the smallest module inside that cannot be exported by itself."""
    seen: dict[str, tuple[Any, Any]] = {}
    handles = [
        each.register_forward_pre_hook(
            lambda _, a, k, path=path: seen.setdefault(path, (a, k)) and None, with_kwargs=True
        )
        for path, each in module.named_modules()
        if path
    ]
    try:
        _try_forward(torch, module, args, kwargs)
    finally:
        for handle in handles:
            handle.remove()
    found = None
    children = list(module.named_children())
    while children:
        below: list[tuple[str, Any]] = []
        for path, each in children:
            if path not in seen:
                below += [(f"{path}.{name}", child) for name, child in each.named_children()]
                continue
            try:
                _attempt(torch, each, *seen[path], None)
            except Exception as error:
                found = path, type(each).__name__, _reason(error)
                below = [(f"{path}.{name}", child) for name, child in each.named_children()]
                break
        children = below
    return found


def _several(torch: Any, values: Any) -> Any:
    def doubled(value: Any) -> Any:
        single = isinstance(value, torch.Tensor) and value.ndim and value.shape[0] == 1
        return torch.cat([value, value]) if single else value

    return torch.utils._pytree.tree_map(doubled, values)


def _any_batch(torch: Any, module: Any, args: Any, kwargs: Any) -> Any:
    """The first axis of every tensor free, as far as the module leaves it so."""

    def axes(value: Any) -> Any:
        return {0: torch.export.Dim.AUTO} if isinstance(value, torch.Tensor) and value.ndim else None

    found = torch.utils._pytree.tree_map(axes, (args, kwargs))
    return dict(inspect.signature(module.forward).bind(*found[0], **found[1]).arguments)


def _finished(model: ir.Model, batch: str | None) -> ir.Model:
    """With arrays of its own, nodes named by module, and the free first axis named."""
    for name, value in model.graph.initializers.items():
        if value.const_value is not None:
            value.const_value = ir.tensor(value.const_value.numpy().copy(), dtype=value.dtype, name=name)
    if batch is not None:
        _name_batch(model, batch)
    _name_nodes(model)
    _name_tensors(model)
    return model


def _name_batch(model: ir.Model, batch: str) -> None:
    first = {str(v.shape[0]) for v in model.graph.inputs if v.shape and isinstance(v.shape[0], ir.SymbolicDim)}
    if len(first) != 1:
        return
    values = [*model.graph.inputs, *(value for node in model.graph for value in node.outputs)]
    for shape in (value.shape for value in values if value.shape is not None):
        for axis, dim in enumerate(shape):
            if isinstance(dim, ir.SymbolicDim) and str(dim) in first:
                shape[axis] = batch


def _name_nodes(model: ir.Model) -> None:
    paths = {id(node): _path(node) for node in model.graph}
    taken: set[str] = set()
    for path in dict.fromkeys(paths.values()):
        nodes = [node for node in model.graph if paths[id(node)] == path]
        leaf = path and not any(other.startswith(f"{path}.") for other in paths.values())
        main = next((node for node in nodes if node.op_type in _MAIN), nodes[0] if len(nodes) == 1 else None)
        for node in nodes:
            own = leaf and node is main
            name = path if own else f"{path}.{node.op_type.lower()}".removeprefix(".")
            node.name = _unused(name, taken)


def _name_tensors(model: ir.Model) -> None:
    """Tensors by the nodes that write them, and the model's outputs as such."""
    taken = {value.name or "" for value in (*model.graph.inputs, *model.graph.initializers.values())}
    outputs = list(model.graph.outputs)
    for place, value in enumerate(outputs):
        if value.producer() is not None:
            value.name = _unused("output" if len(outputs) == 1 else f"output_{place}", taken)
    for node in model.graph:
        for value in node.outputs:
            if not value.is_graph_output():
                value.name = _unused(node.name or "", taken)


def _path(node: ir.Node) -> str:
    """Of the module that a node comes from: the owner of its weight, for layers may have been merged into it."""
    for value in node.inputs[1:]:
        if node.op_type in _MAIN and value is not None and value.is_initializer() and "." in (value.name or ""):
            return (value.name or "").rpartition(".")[0]
    # The last scope is the operator itself.
    scopes: Sequence[str] = ast.literal_eval(node.metadata_props.get(_SCOPES, "['', '']"))
    return scopes[-2] if len(scopes) > 1 else ""


def _unused(name: str, taken: set[str]) -> str:
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate)
    return candidate


def _reason(error: Exception) -> str:
    """The first sentence of the innermost error: exporters wrap it in pages."""
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
