"""Remove nodes whose output equals their input."""

from __future__ import annotations

import onnx_ir as ir

from octavo.graph.constants import constant
from octavo.graph.rewrite import bypass


class RemoveNoOpsPass(ir.passes.InPlacePass):
    """Remove Identity, Dropout, Casts to the same type, Transposes that cancel, and a Relu behind a Relu."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass."""
        modified = False
        for node in list(model.graph):
            if node.domain or not node.inputs or node.inputs[0] is None:
                continue
            value = _equal_value(node)
            if value is not None:
                modified |= bypass(node, value)
        return ir.passes.PassResult(model, modified)


def _equal_value(node: ir.Node) -> ir.Value | None:
    """The value that the node's output equals, or None."""
    value = node.inputs[0]
    match node.op_type:
        case "Identity":
            return value
        case "Dropout":
            return value if _is_inference(node) else None
        case "Cast":
            to = node.attributes["to"].as_int()
            return value if value is not None and value.dtype is not None and value.dtype == to else None
        case "Relu":
            before = None if value is None else value.producer()
            return value if before is not None and before.op_type == "Relu" and not before.domain else None
        case "Transpose":
            return _before_transposes(node)
    return None


def _is_inference(node: ir.Node) -> bool:
    mask_is_used = len(node.outputs) > 1 and (node.outputs[1].uses() or node.outputs[1].is_graph_output())
    training = node.inputs[2] if len(node.inputs) > 2 else None
    flag = constant(training)
    return not mask_is_used and (training is None or (flag is not None and not flag.any()))


def _before_transposes(node: ir.Node) -> ir.Value | None:
    """The input of a pair of Transposes that cancel, or of a single one that permutes nothing; else None."""
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
    cancels = [inner[axis] for axis in outer] == list(range(len(outer)))
    return first.inputs[0] if cancels else None
