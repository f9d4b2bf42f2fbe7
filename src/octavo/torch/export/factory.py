"""Load a module from a factory function in the user's code, named on the command line."""

from __future__ import annotations

from typing import Any

import torch
from torch.export import ExportedProgram

from octavo.errors import ModelError
from octavo.system.imports import function_named


def load_factory(spec: str) -> tuple[torch.nn.Module | ExportedProgram, Any]:
    """Call the factory `package.module:factory` and return a module and its example inputs, as `to_onnx` takes them.

    The factory takes no arguments and returns (module, example_inputs) or an ExportedProgram; the example inputs of
    a program are None.

    Raises:
        OptionError: the factory cannot be imported.
        ModelError: it fails or returns something else.
    """
    factory = function_named(spec, "model factory")
    try:
        result = factory()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ModelError(f"model factory {spec} failed with {reason}; it is called without arguments") from None
    if isinstance(result, ExportedProgram):
        return result, None
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], torch.nn.Module):
        return result
    raise ModelError(
        f"model factory {spec} returned a {type(result).__name__}; "
        "return (module, example_inputs) or an ExportedProgram"
    )
