"""What patterns are recognised by."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from octavo.graph.constants import constant
from octavo.graph.rewrite import sole_reader


def producer(value: ir.Value | None, *op_types: str) -> ir.Node | None:
    """The node that makes the value, if it is of one of these types."""
    node = None if value is None else value.producer()
    return node if node is not None and node.op_type in op_types and node.domain in ("", "ai.onnx") else None


def reader(value: ir.Value, *op_types: str) -> ir.Node | None:
    """The only node that reads the value, if it is of one of these types."""
    node = sole_reader(value)
    return node if node is not None and node.op_type in op_types and node.domain in ("", "ai.onnx") else None


def scalar(value: ir.Value | None) -> float | None:
    """The one number of a constant."""
    array = known(value)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def known(value: ir.Value | None) -> NDArray[Any] | None:
    """The numbers of a constant, however it is written."""
    found = constant(value)
    node = None if found is not None else producer(value, "Constant")
    if node is not None and "value" in node.attributes:
        found = node.attributes["value"].as_tensor().numpy()
    return found


def other(node: ir.Node, value: ir.Value | None) -> ir.Value | None:
    """The operand beside `value` of an operator with two."""
    first, second = node.inputs
    return second if first is value else first


def replace(last: ir.Node, op_type: str, inputs: list[ir.Value | None], attributes: dict[str, ir.Attr]) -> None:
    """Let one node make what `last` made; what only the pattern read has no reader any more."""
    output, graph = last.outputs[0], last.graph
    assert graph is not None
    node = ir.Node("", op_type, inputs, list(attributes.values()), name=last.name)
    made = node.outputs[0]
    made.shape, made.type = output.shape, output.type
    graph.insert_after(last, node)
    public, name = output.is_graph_output(), output.name
    ir.convenience.replace_all_uses_with(output, made, replace_graph_outputs=public)
    output.name, made.name = f"{name}_before", name
    remove_idle(graph, last)


def remove_idle(graph: ir.Graph, last: ir.Node) -> None:
    """Remove a node that nobody reads, and what only it read."""
    if any(output.uses() or output.is_graph_output() for output in last.outputs):
        return
    sources = [value.producer() for value in last.inputs if value is not None]
    graph.remove(last, safe=True)
    for source in dict.fromkeys(sources):
        if source is not None and source.graph is graph:
            remove_idle(graph, source)
