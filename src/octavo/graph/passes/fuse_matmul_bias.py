"""Fuse a MatMul and the Add of a bias behind it into a Gemm."""

from __future__ import annotations

import onnx_ir as ir

from octavo.graph.constants import constant, new_constant
from octavo.graph.rewrite import absorb, sole_reader


class FuseMatMulBiasPass(ir.passes.InPlacePass):
    """Turn a MatMul of a rank-2 input by a constant, with an Add of a constant behind it, into one Gemm."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass."""
        modified = False
        for node in list(model.graph):
            if node.op_type == "MatMul" and not node.domain:
                add = sole_reader(node.outputs[0])
                if add is not None and add.op_type == "Add" and add.graph is node.graph:
                    modified |= _fuse(model.graph, node, add)
        return ir.passes.PassResult(model, modified)


def _fuse(graph: ir.Graph, node: ir.Node, add: ir.Node) -> bool:
    product = node.outputs[0]
    other = add.inputs[1] if add.inputs[0] is product else add.inputs[0]
    data, weights, bias = node.inputs[0], constant(node.inputs[1]), constant(other)
    if bias is None or weights is None or weights.ndim != 2 or data is None or data.shape is None:
        return False
    channels = weights.shape[1]
    if len(data.shape) != 2 or bias.size != channels or bias.ndim > 2 or bias.shape[-1:] != (channels,):
        return False
    if not absorb(add, product):
        return False
    vector = other
    if bias.ndim != 1 and other is not None:
        vector = new_constant(graph, f"{other.name}_flat", bias.reshape(-1))
    gemm = ir.node("Gemm", [*node.inputs, vector], name=node.name)
    result = gemm.outputs[0]
    result.shape, result.type = product.shape, product.type
    graph.insert_before(node, gemm)
    name = product.name
    ir.convenience.replace_all_uses_with(product, result, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    result.name = name
    return True
