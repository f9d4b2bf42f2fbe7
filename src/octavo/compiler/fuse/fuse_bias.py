"""MatMul with a constant matrix and the Add of a bias: one Gemm."""

from __future__ import annotations

import onnx_ir as ir

from octavo.compiler.fuse.pattern import constant_array, producer, replace, sole_reader


class FuseBiasPass(ir.passes.InPlacePass):
    """Replace MatMul and Add by a Gemm, which in this compiler takes inputs of any rank, as MatMul does."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass."""
        modified = False
        for node in list(model.graph):
            if node.op_type == "MatMul":
                modified |= _fuse(node)
        return ir.passes.PassResult(model, modified)


def _fuse(node: ir.Node) -> bool:
    add = sole_reader(node.outputs[0], "Add")
    if add is None or not _is_matrix(node.inputs[1]):
        return False
    bias = next(value for value in add.inputs if value is not node.outputs[0])
    array, weights = constant_array(bias), node.inputs[1]
    width = None if weights is None or weights.shape is None else weights.shape[1]
    if array is None or array.shape != (width,):
        return False
    replace(add, "Gemm", [*node.inputs, bias], {})
    return True


def _is_matrix(value: ir.Value | None) -> bool:
    """Whether the value is a constant matrix, dequantized or not."""
    dequantize = producer(value, "DequantizeLinear")
    array = constant_array(value if dequantize is None else dequantize.inputs[0])
    return array is not None and array.ndim == 2
