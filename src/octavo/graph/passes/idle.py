"""Remove nodes that hand their input on unchanged."""

from __future__ import annotations

import onnx_ir as ir

from octavo.graph.constants import constant
from octavo.graph.passes.rewrite import bypass


def remove_idle(model: ir.Model) -> None:
    """Remove Identity, Dropout, Casts to the type at hand, and Transposes that undo each other."""
    for node in list(model.graph):
        if node.domain or not node.inputs or node.inputs[0] is None:
            continue
        value = _handed_on(node)
        if value is not None:
            bypass(node, value)


def _handed_on(node: ir.Node) -> ir.Value | None:
    """The value that the node's output equals, or None."""
    value = node.inputs[0]
    match node.op_type:
        case "Identity":
            return value
        case "Dropout":
            return value if _is_inference(node) else None
        case "Cast":
            wanted = node.attributes["to"].as_int()
            return value if value is not None and value.dtype is not None and value.dtype == wanted else None
        case "Transpose":
            return _undone(node)
    return None


def _is_inference(node: ir.Node) -> bool:
    mask_is_used = len(node.outputs) > 1 and (node.outputs[1].uses() or node.outputs[1].is_graph_output())
    training = node.inputs[2] if len(node.inputs) > 2 else None
    flag = constant(training)
    return not mask_is_used and (training is None or (flag is not None and not flag.any()))


def _undone(node: ir.Node) -> ir.Value | None:
    """What stood before a pair of Transposes that cancel, or before one that moves nothing."""
    perm = node.attributes.get("perm")
    value = node.inputs[0]
    if perm is None or value is None:
        return None
    outer = list(perm.as_ints())
    if outer == sorted(outer):
        return value
    first = value.producer()
    if first is None or first.op_type != "Transpose" or first.domain or "perm" not in first.attributes:
        return None
    inner = list(first.attributes["perm"].as_ints())
    undone = [inner[axis] for axis in outer] == list(range(len(outer)))
    return first.inputs[0] if undone else None
