"""Read an ONNX file, trusting nothing in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import onnx_ir as ir

from octavo.errors import ModelError
from octavo.graph.size import LARGEST_PROTO, tensor_bytes

# Graphs of other frameworks may parse as protocol buffers by accident; ONNX files begin at version 3.
_OLDEST_IR = 3


def load(path: str | os.PathLike[str]) -> ir.Model:
    """Read a model; external data above 2 GB stay on disk, memory-mapped.

    Raises:
        ModelError: the file is missing, empty, damaged or not ONNX, or its external data are missing,
            too short, or outside the model's folder.
    """
    path = Path(path)
    _check_file(path)
    try:
        model = ir.load(path)
    except Exception as error:
        raise ModelError(
            f"{path} is not a readable ONNX model ({_first_line(error)}); it may be truncated: export or copy it again"
        ) from None
    if not model.ir_version or model.ir_version < _OLDEST_IR or not len(model.graph):
        raise ModelError(f"{path} holds no ONNX graph; give the .onnx file that the exporter wrote")
    for tensor in _external_tensors(model):
        _check_external(path, tensor)
    if tensor_bytes(model) < LARGEST_PROTO:
        ir.external_data.load_to_model(model)
    return model


def _check_file(path: Path) -> None:
    if not path.exists():
        raise ModelError(f"model {path} does not exist; check the path")
    if path.is_dir():
        raise ModelError(f"model {path} is a folder; give the .onnx file inside it")
    try:
        size = path.stat().st_size
        with open(path, "rb"):
            pass
    except OSError as error:
        raise ModelError(f"model {path} cannot be read ({error.strerror}); check its permissions") from None
    if size == 0:
        raise ModelError(f"model {path} is empty; export or copy it again")


def _external_tensors(model: ir.Model) -> Iterator[ir.ExternalTensor]:
    for graph in model.graphs():
        for value in graph.initializers.values():
            if isinstance(value.const_value, ir.ExternalTensor):
                yield value.const_value
    for node in model.graph.all_nodes():
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.TENSOR and isinstance(attribute.value, ir.ExternalTensor):
                yield attribute.value


def _check_external(path: Path, tensor: ir.ExternalTensor) -> None:
    folder, location = path.parent.resolve(), os.fspath(tensor.location)
    file = (folder / location).resolve()
    if os.path.isabs(location) or not file.is_relative_to(folder):
        raise ModelError(
            f"tensor '{tensor.name}' of {path} lies outside the model's folder ('{location}'), which is refused; "
            "move the data beside the model"
        )
    if not file.is_file():
        raise ModelError(
            f"tensor '{tensor.name}' of {path} lies in '{location}', which does not exist; put that file beside it"
        )
    end = (tensor.offset or 0) + (tensor.length or tensor.nbytes)
    if (tensor.offset or 0) < 0 or end > file.stat().st_size:
        raise ModelError(
            f"'{location}' ends before tensor '{tensor.name}' of {path} does; it is truncated: copy it again"
        )


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
