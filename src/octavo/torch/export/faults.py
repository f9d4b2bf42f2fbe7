"""Find the part of a module that cannot be exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from octavo.torch.export.inputs import Inputs

_REASON_LENGTH = 300


def explain(module: nn.Module, inputs: Inputs, export: Callable[[nn.Module, Inputs], object], error: Exception) -> str:
    """Explain in one sentence why a module in eval mode could not be exported.

    Runs the module once on its inputs, then exports the submodules that ran, from the outermost inwards, to find the
    smallest one that fails by itself.

    Args:
        module: the module.
        inputs: its example inputs.
        export: exports a submodule on its inputs, or raises.
        error: exception that the export of `module` raised.
    """
    calls, failure = _record_calls(module, inputs)
    if failure is not None:
        reason = f"{type(failure).__name__}: {one_line(failure)}"
        return f"the module fails on the example inputs: {reason}; give inputs that its forward accepts"
    path, part, cause = "", module, error
    while (inner := _failing_submodule(path, part, calls, export)) is not None:
        path, part, cause = inner
    where = f"module '{path}'" if path else "the module"
    return (
        f"{where} ({type(part).__name__}) cannot be exported: {one_line(cause)}; "
        "rewrite its forward so that torch.export can trace it, or give an ONNX file"
    )


def one_line(error: BaseException) -> str:
    """First line of the root cause of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:_REASON_LENGTH].rstrip(".;") if lines else type(error).__name__


def _record_calls(module: nn.Module, inputs: Inputs) -> tuple[dict[nn.Module, Inputs], Exception | None]:
    """Run the module; return the inputs of the first call of each submodule, and the exception raised if any."""
    calls: dict[nn.Module, Inputs] = {}

    def record(part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls.setdefault(part, (args, kwargs))

    hooks = [part.register_forward_pre_hook(record, with_kwargs=True) for part in module.modules()]
    try:
        module(*inputs[0], **inputs[1])
    except Exception as error:
        return calls, error
    finally:
        for hook in hooks:
            hook.remove()
    return calls, None


def _failing_submodule(
    path: str, module: nn.Module, calls: dict[nn.Module, Inputs], export: Callable[[nn.Module, Inputs], object]
) -> tuple[str, nn.Module, Exception] | None:
    """Path, module and exception of the first submodule that fails to export by itself."""
    for name, part in _submodules(module, calls, path):
        if not _is_exportable(calls[part]):
            continue
        try:
            export(part, calls[part])
        except Exception as error:
            return name, part, error
    return None


def _submodules(module: nn.Module, calls: dict[nn.Module, Inputs], path: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield the outermost submodules that ran; containers such as ModuleList do not run themselves."""
    for name, child in module.named_children():
        inner = f"{path}.{name}" if path else name
        if child in calls:
            yield inner, child
        else:
            yield from _submodules(child, calls, inner)


def _is_exportable(value: Any) -> bool:
    """Whether the exporter accepts the value as an input: tensors, plain types, and containers of them."""
    if isinstance(value, dict):
        return all(_is_exportable(item) for item in value.values())
    if isinstance(value, tuple | list):
        return all(_is_exportable(item) for item in value)
    return value is None or isinstance(value, torch.Tensor | int | float | bool | str)
