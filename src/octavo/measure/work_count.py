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

# Operators whose result is their input under another shape, and what engines compute along with what is in front.
_VIEWS = {"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}
_FUSED = {"Clip", "Relu"}


def model_workload(model: ir.Model, feeds: Mapping[str, NDArray[Any]]) -> Workload:
    """The workload of a float or QDQ model in an engine that fuses what it can.

    A product is one of integers where both operands come from integers. Tensors that are quantized at once move as
    integers, and those in front of a fused activation not at all. Graphs inside If, Loop and Scan are left out.

    Args:
        model: the model; it is run once for the shapes.
        feeds: inputs by name, of the batch size to count for.
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
    inner = sum(2 * arrays[value.name or ""].nbytes for value in values if _moves(value))
    ends = sum(array.nbytes for array in feeds.values())
    ends -= sum(arrays[value.name or ""].nbytes for value in model.graph.outputs if value.name in arrays)
    return Workload(integers, floats, tensor_bytes(model), inner + ends)


def _dequantized(value: ir.Value | None) -> bool:
    producer = None if value is None else value.producer()
    return producer is not None and producer.op_type == "DequantizeLinear"


def _moves(value: ir.Value) -> bool:
    """Whether a tensor is written to memory as it is."""
    producer = value.producer()
    if value.is_graph_output():
        return True
    if producer is None or producer.op_type in _VIEWS or producer.op_type == "DequantizeLinear":
        return False
    users = {use.node.op_type for use in value.uses()}
    fused = len(value.uses()) == 1 and users <= _FUSED and producer.op_type in (*LINEAR_OPS, "Add")
    return bool(users) and users != {"QuantizeLinear"} and not fused
