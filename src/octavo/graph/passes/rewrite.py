"""The few moves that all rewrites are made of."""

from __future__ import annotations

import onnx_ir as ir


def sole_reader(value: ir.Value) -> ir.Node | None:
    """The one node that reads the value, when nothing else sees it."""
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and not value.is_graph_output() else None


def bypass(node: ir.Node, value: ir.Value) -> bool:
    """Let every reader of the node's first output read `value` instead, and remove the node.

    A graph output keeps its name: `value` takes it. Where that cannot be, because the value is an
    input, a constant or an output itself, the node stays and the answer is False.
    """
    output = node.outputs[0]
    public = output.is_graph_output()
    if public and (value.producer() is None or value.is_graph_output()):
        return False
    if value.shape is None:
        value.shape = output.shape
    if value.type is None:
        value.type = output.type
    ir.convenience.replace_all_uses_with(output, value, replace_graph_outputs=True)
    if public:
        name, output.name = output.name, f"{output.name}_removed"
        value.name, value.shape, value.type = name, output.shape or value.shape, output.type or value.type
    assert node.graph is not None
    node.graph.remove(node, safe=True)
    return True


def absorb(node: ir.Node, value: ir.Value) -> bool:
    """Bypass a node whose work the producer of `value` takes over; `value` takes its name, for that is what it is now.

    A name then means the same numbers before and after, so that models can be compared tensor by tensor.
    """
    name = node.outputs[0].name
    if not bypass(node, value):
        return False
    value.name = name
    return True


def set_attribute(node: ir.Node, attribute: ir.Attr) -> None:
    """Set or replace an attribute of a node."""
    node.attributes[attribute.name] = attribute
