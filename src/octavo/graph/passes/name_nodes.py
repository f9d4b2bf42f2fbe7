"""Give every node a unique name that is the same in every run."""

from __future__ import annotations

import onnx_ir as ir
import onnx_ir.passes.common as common


class NameNodesPass(ir.passes.InPlacePass):
    """Name unnamed nodes after their operator and index, then make all names unique."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass."""
        # An empty name marks an output that its node omits; it must stay empty.
        omitted = [value for node in model.graph.all_nodes() for value in node.outputs if value.name == ""]
        modified = _name_unnamed(model.graph)
        modified |= common.NameFixPass()(model).modified
        for value in omitted:
            value.name = ""
        return ir.passes.PassResult(model, modified)


def _name_unnamed(graph: ir.Graph) -> bool:
    modified = False
    for index, node in enumerate(graph):
        if not node.name:
            node.name, modified = f"{node.op_type}_{index}", True
        for number, value in enumerate(node.outputs):
            if value.name is None:
                value.name, modified = f"{node.name}_output_{number}", True
    return modified
