"""Fold the factors of a Gemm into its constants: y = alpha x W + beta b becomes y = x W' + b'."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.graph.attributes import attribute
from octavo.graph.constants import constant, new_constant
from octavo.graph.linear import bias_input


class FoldGemmFactorsPass(ir.passes.InPlacePass):
    """Fold a Gemm's alpha and beta into its weights and bias."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass."""
        modified = False
        for node in model.graph:
            if node.op_type == "Gemm" and not node.domain:
                modified |= _fold(model.graph, node)
        return ir.passes.PassResult(model, modified)


def _fold(graph: ir.Graph, node: ir.Node) -> bool:
    modified = bias_input(node) is None and node.attributes.pop("beta", None) is not None
    for name, index in (("alpha", 1), ("beta", 2)):
        factor = float(attribute(node, name, 1.0))
        value = node.inputs[index] if len(node.inputs) > index else None
        array = constant(value)
        if factor != 1.0 and value is not None and array is not None:
            scaled = (np.asarray(array, np.float64) * factor).astype(array.dtype)
            node.replace_input_with(index, new_constant(graph, f"{value.name}_scaled", scaled))
            del node.attributes[name]
            modified = True
    return modified
