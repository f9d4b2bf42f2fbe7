"""Which part of a module cannot be exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

# What a part of a module was called with.
_Call = tuple[tuple[Any, ...], dict[str, Any]]

_REASON_LENGTH = 300


def explain(
    torch: Any,
    module: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    export: Callable[[Any, tuple[Any, ...], dict[str, Any]], object],
    error: Exception,
) -> str:
    """One sentence on why a module in eval mode could not be exported, which `error` said.

    The module runs once on its inputs; then the parts that ran are exported one by one, from the outside to the
    smallest that fails by itself.
    """
    calls, failure = _recorded(module, args, kwargs)
    if failure is not None:
        reason = f"{type(failure).__name__}: {one_line(failure)}"
        return f"the module fails on the example inputs: {reason}; give inputs that its forward accepts"
    path, part, found = "", module, error
    while (child := _failing(torch, path, part, calls, export)) is not None:
        path, part, found = child
    where = f"module '{path}'" if path else "the module"
    return (
        f"{where} ({type(part).__name__}) cannot be exported: {one_line(found)}; "
        "rewrite its forward so that torch.export can trace it, or give an ONNX file"
    )


def one_line(error: BaseException) -> str:
    """The first line of what lies at the root of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:_REASON_LENGTH].rstrip(".;") if lines else type(error).__name__


def _recorded(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[dict[Any, _Call], Exception | None]:
    """What each submodule was first called with, and what the module raised if it did."""
    calls: dict[Any, _Call] = {}

    def note(part: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls.setdefault(part, (args, kwargs))

    hooks = [part.register_forward_pre_hook(note, with_kwargs=True) for part in module.modules()]
    try:
        module(*args, **kwargs)
    except Exception as error:
        return calls, error
    finally:
        for hook in hooks:
            hook.remove()
    return calls, None


def _failing(
    torch: Any,
    path: str,
    module: Any,
    calls: dict[Any, _Call],
    export: Callable[[Any, tuple[Any, ...], dict[str, Any]], object],
) -> tuple[str, Any, Exception] | None:
    """The first part of a module that fails when it is exported by itself."""
    for name, part in _parts(module, calls, path):
        args, kwargs = calls[part]
        if not _plain(torch, (args, kwargs)):
            continue
        try:
            export(part, args, kwargs)
        except Exception as error:
            return name, part, error
    return None


def _parts(module: Any, calls: dict[Any, _Call], path: str) -> Iterator[tuple[str, Any]]:
    """The nearest submodules that ran; lists and dicts of modules do not run themselves."""
    for name, child in module.named_children():
        inner = f"{path}.{name}" if path else name
        if child in calls:
            yield inner, child
        else:
            yield from _parts(child, calls, inner)


def _plain(torch: Any, value: Any) -> bool:
    """Whether a part can be exported on this; objects of the module's own kinds mean nothing to the exporter."""
    if isinstance(value, dict):
        return all(_plain(torch, each) for each in value.values())
    if isinstance(value, tuple | list):
        return all(_plain(torch, each) for each in value)
    return value is None or isinstance(value, torch.Tensor | int | float | bool | str)
