"""Give every node a name that stays the same from run to run."""

from __future__ import annotations

import onnx_ir as ir
import onnx_ir.passes.common as common


def name_nodes(model: ir.Model) -> None:
    """Name unnamed nodes after their operator and place, then make all names unique."""
    for index, node in enumerate(model.graph):
        node.name = node.name or f"{node.op_type}_{index}"
        for number, value in enumerate(node.outputs):
            value.name = value.name or f"{node.name}_output_{number}"
    common.NameFixPass()(model)
