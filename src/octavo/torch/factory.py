"""A module out of the user's own code, named on the command line."""

from __future__ import annotations

import re
from typing import Any

from octavo.errors import ModelError
from octavo.system.imports import function_named
from octavo.torch.translate import pytorch

_FACTORY = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_factory(text: str) -> bool:
    """Whether this reads as `package.module:factory`."""
    return _FACTORY.fullmatch(text) is not None


def made(spec: str) -> tuple[Any, Any]:
    """What the factory `package.module:factory` makes: a module and its example inputs, as `to_onnx` takes them.

    The factory takes no arguments. It returns (module, example_inputs), or an ExportedProgram.

    Raises:
        OptionError: the factory cannot be imported.
        ModelError: it fails, or returns something else.
        DependencyError: PyTorch is not installed.
    """
    torch = pytorch()
    factory = function_named(spec, "model factory")
    try:
        found = factory()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ModelError(f"model factory {spec} failed with {reason}; it is called without arguments") from None
    if isinstance(found, torch.export.ExportedProgram):
        return found, None
    if isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], torch.nn.Module):
        return found
    raise ModelError(
        f"model factory {spec} returned a {type(found).__name__}; return (module, example_inputs) or an ExportedProgram"
    )
