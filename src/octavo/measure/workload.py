"""The workload of a model, counted from the shapes of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from octavo.engines.onnxruntime import Session
from octavo.graph.linear import LINEAR_OPS, is_linear, multiply_accumulates
from octavo.graph.size import tensor_bytes
from octavo.graph.workload import Workload

# Operators that only reshape, and activations that engines fuse into their producer.
_VIEWS = {"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}
_FUSED = {"Clip", "Relu"}


def model_workload(model: ir.Model, feeds: Mapping[str, NDArray[Any]]) -> Workload:
    """The workload of one run of a float or QDQ model in an engine with the usual fusions.

    A product counts as integer where both operands are dequantized. Tensors that are quantized right away count with
    their integer size, and those before a fused activation do not count. Subgraphs of If, Loop and Scan are ignored.

    Args:
        model: run once to obtain the shapes.
        feeds: inputs by name, with the batch size to count.
    """
    values = [value for node in model.graph for value in node.outputs if value.name]
    arrays = Session(model, outputs=[value.name or "" for value in values], optimize=False).run(feeds)
    shapes = {name: array.shape for name, array in {**feeds, **arrays}.items()}
    shapes |= {name: value.shape.numpy() for name, value in model.graph.initializers.items() if value.shape}
    integers = floats = 0.0
    for node in model.graph:
        if is_linear(node):
            if all(_dequantized(value) for value in node.inputs[:2]):
                integers += multiply_accumulates(node, shapes)
            else:
                floats += multiply_accumulates(node, shapes)
    inner = sum(2 * arrays[value.name or ""].nbytes for value in values if _is_stored(value))
    ends = sum(array.nbytes for array in feeds.values())
    ends -= sum(arrays[value.name or ""].nbytes for value in model.graph.outputs if value.name in arrays)
    return Workload(integers, floats, tensor_bytes(model), inner + ends)


def _dequantized(value: ir.Value | None) -> bool:
    producer = None if value is None else value.producer()
    return producer is not None and producer.op_type == "DequantizeLinear"


def _is_stored(value: ir.Value) -> bool:
    """Whether the tensor is written to memory."""
    producer = value.producer()
    if value.is_graph_output():
        return True
    if producer is None or producer.op_type in _VIEWS or producer.op_type == "DequantizeLinear":
        return False
    users = {use.node.op_type for use in value.uses()}
    fused = len(value.uses()) == 1 and users <= _FUSED and producer.op_type in (*LINEAR_OPS, "Add")
    return bool(users) and users != {"QuantizeLinear"} and not fused
