"""Read an untrusted ONNX file."""

from __future__ import annotations

import os
from pathlib import Path

import onnx_ir as ir

from octavo.errors import ModelError
from octavo.graph.check import check_contents
from octavo.graph.quiet import quiet
from octavo.graph.size import LARGEST_PROTO, model_bytes, tensor_bytes

# Other files may parse as protocol buffers by accident; ONNX models with an opset begin at IR version 3.
_OLDEST_IR = 3
_FILES = "octavo.system.files"


def load(path: str | os.PathLike[str]) -> ir.Model:
    """Read a model and sort its nodes topologically; external data above 2 GB stay on disk, memory-mapped.

    Raises:
        ModelError: the file is missing, empty, damaged or not ONNX, a node reads a tensor that no node
            writes, or its external data are missing, too short, or outside the model's folder.
    """
    path = Path(path)
    _check_file(path)
    try:
        with quiet("onnx_ir"):
            model = ir.load(path)
    except Exception as error:
        raise ModelError(
            f"{path} is not a readable ONNX model ({_first_line(error)}); it may be truncated: export or copy it again"
        ) from None
    if not model.ir_version or model.ir_version < _OLDEST_IR or not len(model.graph):
        raise ModelError(f"{path} holds no ONNX graph; give the .onnx file that the exporter wrote")
    try:
        model.graph.sort()
    except ValueError:
        raise ModelError(f"the graph of {path} has a cycle; export it again") from None
    try:
        check_contents(model, path)
    except ModelError as error:
        # Names come from the file and may contain line breaks.
        raise ModelError(" ".join(str(error).split())) from None
    model.meta[_FILES] = [path, *_external_files(model)]
    if tensor_bytes(model) < LARGEST_PROTO:
        ir.external_data.load_to_model(model)
    return model


def source_files(model: ir.Model) -> list[Path]:
    """The file a model was read from and the files of its external data; empty for a model built in memory."""
    return list(model.meta.get(_FILES, []))


def stored_bytes(model: ir.Model) -> int:
    """Bytes of a model's files; for a model built in memory, of the file it would be saved to."""
    return sum(file.stat().st_size for file in source_files(model)) or model_bytes(model)


def _external_files(model: ir.Model) -> list[Path]:
    values = [value.const_value for graph in model.graphs() for value in graph.initializers.values()]
    names = {os.fspath(tensor.path) for tensor in values if isinstance(tensor, ir.ExternalTensor)}
    return [Path(name) for name in sorted(names)]


def _check_file(path: Path) -> None:
    try:
        if not path.exists():
            raise ModelError(f"model {path} does not exist; check the path")
        if path.is_dir():
            raise ModelError(f"model {path} is a folder; give the .onnx file inside it")
        if not path.is_file():
            raise ModelError(f"model {path} is not a regular file; give the .onnx file that the exporter wrote")
        size = path.stat().st_size
        with open(path, "rb"):
            pass
    except OSError as error:
        raise ModelError(f"model {path} cannot be read ({error.strerror}); check its permissions") from None
    if size == 0:
        raise ModelError(f"model {path} is empty; export or copy it again")


def _first_line(error: BaseException) -> str:
    """The first line of the message of an error's root cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
