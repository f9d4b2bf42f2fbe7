"""Give every node a name that stays the same from run to run."""

from __future__ import annotations

import onnx_ir as ir
import onnx_ir.passes.common as common


def name_nodes(model: ir.Model) -> None:
    """Name unnamed nodes after their operator and place, then make all names unique."""
    # The empty name is that of an output which its node leaves out; it must stay empty.
    left_out = [value for node in model.graph.all_nodes() for value in node.outputs if value.name == ""]
    for index, node in enumerate(model.graph):
        node.name = node.name or f"{node.op_type}_{index}"
        for number, value in enumerate(node.outputs):
            if value.name is None:
                value.name = f"{node.name}_output_{number}"
    common.NameFixPass()(model)
    for value in left_out:
        value.name = ""
