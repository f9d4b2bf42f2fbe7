"""Elementary graph edits, shared by the rewriting passes."""

from __future__ import annotations

import onnx_ir as ir


def sole_reader(value: ir.Value) -> ir.Node | None:
    """The node that reads the value if it has exactly one use and is no graph output; else None."""
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and not value.is_graph_output() else None


def bypass(node: ir.Node, value: ir.Value) -> bool:
    """Let every reader of the node's first output read `value` instead, and remove the node.

    If that output is a graph output, `value` takes its name.

    Returns:
        False, with the graph unchanged, if `value` cannot take the name of a graph output because it is an
        input, a constant or a graph output itself.
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
    """Bypass a node whose computation moves into the producer of `value`; `value` takes the node's output name.

    A name then refers to the same tensor before and after, so models can be compared tensor by tensor.

    Returns:
        False, with the graph unchanged, where `bypass` does.
    """
    name = node.outputs[0].name
    if not bypass(node, value):
        return False
    value.name = name
    return True


def set_attribute(node: ir.Node, attribute: ir.Attr) -> None:
    """Set or replace an attribute of a node."""
    node.attributes[attribute.name] = attribute
