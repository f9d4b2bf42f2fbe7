"""Validate an untrusted model: its tensors, and that every node reads what an earlier node writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx_ir as ir

from octavo.errors import ModelError


def check_contents(model: ir.Model, path: Path) -> None:
    """Check every tensor and every node of the model, its functions and subgraphs.

    Raises:
        ModelError: a tensor's data do not match its shape and type, external data are missing, too short
            or outside the model's folder, or a node reads a tensor that no node before it writes.
    """
    bodies: list[ir.Graph | ir.Function] = [model.graph, *model.functions.values()]
    for body in bodies:
        _check_body(path, body, set())


def _check_body(path: Path, body: ir.Graph | ir.Function, outer: set[ir.Value]) -> None:
    known = {*outer, *body.inputs}
    if isinstance(body, ir.Graph):
        known.update(body.initializers.values())
        for value in body.initializers.values():
            _check_tensor(path, value.const_value)
    for node in body:
        for operand in node.inputs:
            if operand is not None and operand not in known:
                raise ModelError(
                    f"{node.op_type} '{node.name}' of {path} reads tensor '{operand.name}', which no node before it "
                    "writes; export the model again"
                )
        for graph in _attribute_values(node, ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS):
            _check_body(path, graph, known)
        for tensor in _attribute_values(node, ir.AttributeType.TENSOR, ir.AttributeType.TENSORS):
            _check_tensor(path, tensor)
        known.update(node.outputs)
    for output in body.outputs:
        if output not in known:
            raise ModelError(f"output '{output.name}' of {path} is written by no node; export the model again")


def _attribute_values(node: ir.Node, one: ir.AttributeType, many: ir.AttributeType) -> Iterator[Any]:
    """The values of the node's attributes of type `one` and, element by element, of type `many`.

    A function's reference to an attribute has no value and is skipped.
    """
    for attribute in node.attributes.values():
        if attribute.value is not None and attribute.type == one:
            yield attribute.value
        elif attribute.value is not None and attribute.type == many:
            yield from attribute.value


def _check_tensor(path: Path, tensor: ir.TensorProtocol | None) -> None:
    if isinstance(tensor, ir.ExternalTensor):
        _check_external(path, tensor)
    elif tensor is not None:
        _check_inline(path, tensor)


def _check_inline(path: Path, tensor: ir.TensorProtocol) -> None:
    try:
        is_text = tensor.dtype == ir.DataType.STRING
        is_valid = min(tensor.shape.numpy(), default=0) >= 0 and (is_text or len(tensor.tobytes()) == tensor.nbytes)
        is_valid = is_valid and tensor.numpy().shape == tensor.shape.numpy()
    except Exception:
        is_valid = False
    if not is_valid:
        raise ModelError(
            f"tensor '{tensor.name}' of {path} does not have the data that its shape and type require; export it again"
        )


def _check_external(path: Path, tensor: ir.ExternalTensor) -> None:
    folder, location = path.parent.resolve(), os.fspath(tensor.location)
    try:
        file = (folder / location).resolve()
        available = file.stat().st_size if file.is_file() else None
    except (OSError, ValueError):
        file, available = folder / "?", None
    if os.path.isabs(location) or not file.is_relative_to(folder):
        raise ModelError(
            f"tensor '{tensor.name}' of {path} lies outside the model's folder ('{location}'), which is refused; "
            "move the data beside the model"
        )
    if available is None:
        raise ModelError(
            f"tensor '{tensor.name}' of {path} lies in '{location}', which does not exist; put that file beside it"
        )
    required = _required_bytes(tensor)
    if required is None or (tensor.length and tensor.length != required):
        raise ModelError(
            f"tensor '{tensor.name}' of {path} does not have the data that its shape and type require; export it again"
        )
    if (tensor.offset or 0) + required > available:
        raise ModelError(
            f"'{location}' ends before tensor '{tensor.name}' of {path} does; it is truncated: copy it again"
        )


def _required_bytes(tensor: ir.ExternalTensor) -> int | None:
    """Bytes that the tensor's shape and type require; None if the shape, the type or the offset is invalid."""
    try:
        is_valid = min(tensor.shape.numpy(), default=0) >= 0 and (tensor.offset or 0) >= 0
        return tensor.nbytes if is_valid else None
    except TypeError:
        return None
