"""Matching and replacing operator patterns."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from octavo.graph import rewrite
from octavo.graph.constants import constant


def producer(value: ir.Value | None, *op_types: str) -> ir.Node | None:
    """The node that computes the value, if it is of one of these types."""
    node = None if value is None else value.producer()
    return node if node is not None and node.op_type in op_types and node.domain in ("", "ai.onnx") else None


def sole_reader(value: ir.Value, *op_types: str) -> ir.Node | None:
    """The only node that reads the value, if it is of one of these types."""
    node = rewrite.sole_reader(value)
    return node if node is not None and node.op_type in op_types and node.domain in ("", "ai.onnx") else None


def scalar(value: ir.Value | None) -> float | None:
    """The value of a constant of one element; else None."""
    array = constant_array(value)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def constant_array(value: ir.Value | None) -> NDArray[Any] | None:
    """The array of an initializer or a Constant node; else None."""
    array = constant(value)
    node = None if array is not None else producer(value, "Constant")
    if node is not None and "value" in node.attributes:
        array = node.attributes["value"].as_tensor().numpy()
    return array


def other_input(node: ir.Node, value: ir.Value | None) -> ir.Value | None:
    """The other operand of a binary operator."""
    first, second = node.inputs
    return second if first is value else first


def replace(last: ir.Node, op_type: str, inputs: list[ir.Value | None], attributes: dict[str, ir.Attr]) -> None:
    """Replace `last` by one new node, and remove the nodes of the pattern that nothing else reads."""
    output, graph = last.outputs[0], last.graph
    assert graph is not None
    node = ir.Node("", op_type, inputs, list(attributes.values()), name=last.name)
    result = node.outputs[0]
    result.shape, result.type = output.shape, output.type
    graph.insert_after(last, node)
    public, name = output.is_graph_output(), output.name
    ir.convenience.replace_all_uses_with(output, result, replace_graph_outputs=public)
    output.name, result.name = f"{name}_before", name
    _remove_unused(graph, last)


def _remove_unused(graph: ir.Graph, last: ir.Node) -> None:
    """Remove a node without readers, and the nodes that only it read."""
    if any(output.uses() or output.is_graph_output() for output in last.outputs):
        return
    sources = [value.producer() for value in last.inputs if value is not None]
    graph.remove(last, safe=True)
    for source in dict.fromkeys(sources):
        if source is not None and source.graph is graph:
            _remove_unused(graph, source)
