"""Sizes of models in bytes."""

from __future__ import annotations

import onnx_ir as ir

# Protocol buffers are limited to 2 GiB; the margin is for the graph itself.
LARGEST_PROTO = 2**31 - 2**26


def tensor_bytes(model: ir.Model) -> int:
    """Bytes of all stored tensors, subgraphs and external data included."""
    values = [value for graph in model.graphs() for value in graph.initializers.values()]
    return sum(value.const_value.nbytes for value in values if value.const_value is not None)


def model_bytes(model: ir.Model) -> int:
    """Bytes of the model as a file: the serialized size, or the size of its tensors if it needs external data."""
    stored = tensor_bytes(model)
    return stored if stored >= LARGEST_PROTO else int(ir.to_proto(model).ByteSize())
