"""Write products with a bias as Gemm in its plain form: y = x W + b."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.graph.constants import constant, new_constant
from octavo.graph.operators import attribute, bias_input
from octavo.graph.passes.rewrite import absorb, sole_reader


def join_bias(model: ir.Model) -> None:
    """MatMul of a rank-2 input by a constant, and the Add of a constant behind it, become one Gemm."""
    for node in list(model.graph):
        if node.op_type == "MatMul" and not node.domain:
            add = sole_reader(node.outputs[0])
            if add is not None and add.op_type == "Add" and add.graph is node.graph:
                _join(model.graph, node, add)


def fold_factors(model: ir.Model) -> None:
    """Fold a Gemm's alpha and beta into its weights and bias."""
    for node in model.graph:
        if node.op_type != "Gemm" or node.domain:
            continue
        if bias_input(node) is None:
            node.attributes.pop("beta", None)
        for name, index in (("alpha", 1), ("beta", 2)):
            factor = float(attribute(node, name, 1.0))
            value = node.inputs[index] if len(node.inputs) > index else None
            array = constant(value)
            if factor != 1.0 and value is not None and array is not None:
                scaled = (np.asarray(array, np.float64) * factor).astype(array.dtype)
                node.replace_input_with(index, new_constant(model.graph, f"{value.name}_scaled", scaled))
                del node.attributes[name]


def _join(graph: ir.Graph, node: ir.Node, add: ir.Node) -> None:
    product = node.outputs[0]
    other = add.inputs[1] if add.inputs[0] is product else add.inputs[0]
    data, weight = constant(node.inputs[1]), node.inputs[0]
    bias = constant(other)
    if bias is None or data is None or data.ndim != 2 or weight is None or weight.shape is None:
        return
    channels = data.shape[1]
    if len(weight.shape) != 2 or bias.size != channels or bias.ndim > 2 or bias.shape[-1:] != (channels,):
        return
    vector = other
    if bias.ndim != 1 and other is not None:
        vector = new_constant(graph, f"{other.name}_flat", bias.reshape(-1))
    if not absorb(add, product):
        return
    gemm = ir.node("Gemm", [*node.inputs, vector], name=node.name)
    result = gemm.outputs[0]
    result.shape, result.type = product.shape, product.type
    graph.insert_before(node, gemm)
    name = product.name
    ir.convenience.replace_all_uses_with(product, result, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    result.name = name
