"""A MatMul with constant weights and the bias behind it, as one Gemm."""

from __future__ import annotations

import onnx_ir as ir

from octavo.compiler.fuse.match import known, producer, reader, replace


def fuse_biases(model: ir.Model) -> None:
    """The Gemm here also takes activations of more than two axes, as MatMul does."""
    for node in list(model.graph):
        if node.op_type != "MatMul":
            continue
        add = reader(node.outputs[0], "Add")
        if add is None or not _is_matrix(node.inputs[1]):
            continue
        bias = next(value for value in add.inputs if value is not node.outputs[0])
        array, weights = known(bias), node.inputs[1]
        width = None if weights is None or weights.shape is None else weights.shape[1]
        if array is not None and array.shape == (width,):
            replace(add, "Gemm", [*node.inputs, bias], {})


def _is_matrix(value: ir.Value | None) -> bool:
    dequantize = producer(value, "DequantizeLinear")
    array = known(value if dequantize is None else dequantize.inputs[0])
    return array is not None and array.ndim == 2
