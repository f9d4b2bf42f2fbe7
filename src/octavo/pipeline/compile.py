"""Compile a quantized model into a bundle."""

from __future__ import annotations

from octavo.compiler import compile_model
from octavo.compiler.dims import Dims
from octavo.data import FilePath
from octavo.pipeline.model_source import read_model
from octavo.pipeline.result import QuantizationResult
from octavo.pipeline.sources import OnnxSource
from octavo.system.files import new_path, write_bytes


def compile(
    model: OnnxSource | QuantizationResult,
    path: FilePath | None = None,
    *,
    batch: int | None = None,
    dims: Dims | None = None,
    overwrite: bool = False,
) -> bytes:
    """Compile a quantized model into a bundle for the native runtime.

    Dynamic dimensions of the inputs stay dynamic, at most two of them.

    Args:
        model: a quantization result, or a model in QDQ or QOperator form: its path, or the model in memory.
        path: file to write the bundle to; None writes no file.
        batch: fix a dynamic first axis at this size.
        dims: for each dynamic dimension by name, its size, or its smallest and largest size.
        overwrite: replace an existing file.

    Returns:
        The bytes of the bundle.

    Raises:
        ModelError: the model cannot be read, or has operators without a kernel.
        OptionError: `path` exists or cannot be written, or `dims` does not fit the model.
    """
    output = None if path is None else new_path(path, overwrite)
    source = model.model if isinstance(model, QuantizationResult) else read_model(model)[0]
    content = compile_model(source, batch=batch, dims=dims)
    if output is not None:
        write_bytes(output, content)
    return content
