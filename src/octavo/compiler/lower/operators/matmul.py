"""MatMul: of two quantized activations, with quantized constant weights, else float."""

from __future__ import annotations

import onnx_ir as ir

from octavo.compiler.lower import batch_matmul, matrix, weight_zero_points
from octavo.compiler.lower.linear import quantized_linear
from octavo.compiler.lower.lowering import Lowering, OpLowering
from octavo.compiler.lower.target import Target
from octavo.compiler.lower.values import Constant, Deferred, LoweredValue, Plain
from octavo.compiler.program import Tensor


def lower(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Deferred if it can run on integers."""
    if weight_zero_points.layer_of(lowering, node, to_grid=False) is not None:
        return Deferred(node)
    if batch_matmul.operands_of(lowering, node) is not None:
        return Deferred(node)
    rhs = lowering.lowered(node.inputs[1])
    is_matrix = isinstance(rhs, Constant) and rhs.array.ndim == 2
    if is_matrix and quantized_linear(lowering, node, 1, to_grid=False) is not None:
        return Deferred(node)
    a, b = lowering.tensor(node.inputs[0]), lowering.tensor(node.inputs[1])
    return Plain(matrix.float_gemm(lowering, node, a, b))


def to_grid(lowering: Lowering, node: ir.Node, target: Target) -> Tensor | None:
    """Integer GEMM, requantized to the output grid."""
    layer = weight_zero_points.layer_of(lowering, node, to_grid=True)
    if layer is not None:
        return weight_zero_points.emit(lowering, node, layer, target)
    operands = batch_matmul.operands_of(lowering, node)
    if operands is not None:
        return batch_matmul.to_grid(lowering, node, operands, target)
    return matrix.integer_gemm(lowering, node, target)


def to_float(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Integer GEMM with float output."""
    layer = weight_zero_points.layer_of(lowering, node, to_grid=False)
    if layer is not None:
        return Plain(weight_zero_points.emit(lowering, node, layer, None))
    operands = batch_matmul.operands_of(lowering, node)
    if operands is not None:
        return batch_matmul.to_float(lowering, node, operands)
    return Plain(matrix.integer_gemm_to_float(lowering, node))


LOWERINGS = {"MatMul": OpLowering(lower, to_grid, to_float)}
