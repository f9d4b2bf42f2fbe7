"""Recognize PyTorch modules and model factories without importing PyTorch."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    import torch

    # A PyTorch network.
    TorchModel = torch.nn.Module | torch.export.ExportedProgram

_FACTORY = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_module(model: object) -> TypeGuard[TorchModel]:
    """Whether `model` is an `nn.Module` or a `torch.export.ExportedProgram`; False if PyTorch was never imported."""
    package = sys.modules.get("torch")
    return package is not None and isinstance(model, package.nn.Module | package.export.ExportedProgram)


def input_names(module: object) -> tuple[list[str], list[str]]:
    """Return the named parameters of `module.forward`, in order, and those of them without a default."""
    forward: Callable[..., Any] | None = getattr(module, "forward", None)
    parameters = [] if forward is None else list(inspect.signature(forward).parameters.values())
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return [p.name for p in named], [p.name for p in named if p.default is p.empty]


def is_factory(text: str) -> bool:
    """Whether `text` has the form `package.module:factory`."""
    return _FACTORY.fullmatch(text) is not None
