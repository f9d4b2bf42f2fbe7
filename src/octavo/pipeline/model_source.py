"""Read an ONNX model from what a public function accepts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import onnx_ir as ir

from octavo.errors import ModelError
from octavo.graph import load, source_files


def read_model(model: object) -> tuple[ir.Model, list[Path]]:
    """The model, and the files it was read from; no files for a model in memory.

    Raises:
        ModelError: the file cannot be read, or the type is not supported.
    """
    if isinstance(model, str | os.PathLike):
        loaded = load(model)
        return loaded, source_files(loaded)
    if isinstance(model, ir.Model):
        return model, []
    if hasattr(model, "graph") and hasattr(model, "opset_import"):
        return ir.from_proto(cast(Any, model)), []
    raise ModelError(
        f"a model of type {type(model).__name__} is not supported; give the path of an ONNX file, a model, or a module"
    )
