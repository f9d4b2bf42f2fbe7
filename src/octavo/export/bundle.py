"""A bundle of the native runtime, with all dynamic dimensions open."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from octavo.compiler import compile_model
from octavo.export.format import Format
from octavo.system.files import write_bytes


def write(model: ir.Model, path: Path) -> None:
    """Compile the model and write the bundle.

    Raises:
        ModelError: operators have no kernel, or a dynamic dimension cannot stay open.
        OptionError: the file cannot be written.
    """
    write_bytes(path, compile_model(model))


BUNDLE = Format("bundle", (".oct",), write)
