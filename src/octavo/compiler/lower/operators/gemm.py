"""Gemm: integer kernels with quantized constant weights, else float."""

from __future__ import annotations

import onnx_ir as ir

from octavo.compiler.lower import matrix, weight_zero_points
from octavo.compiler.lower.linear import add_floats, quantized_linear
from octavo.compiler.lower.lowering import Lowering, OpLowering
from octavo.compiler.lower.onnx_attributes import integer, number
from octavo.compiler.lower.target import Target
from octavo.compiler.lower.values import Constant, Deferred, LoweredValue, Plain, Unsupported
from octavo.compiler.program import Tensor, constant_tensor, new_tensor


def lower(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Deferred if it can run on integers."""
    if weight_zero_points.layer_of(lowering, node, to_grid=False) is not None:
        return Deferred(node)
    _check(node)
    if quantized_linear(lowering, node, matrix.channel_axis(node), to_grid=False) is not None:
        return Deferred(node)
    return Plain(_float_gemm(lowering, node))


def to_grid(lowering: Lowering, node: ir.Node, target: Target) -> Tensor | None:
    """Integer GEMM, requantized to the output grid."""
    layer = weight_zero_points.layer_of(lowering, node, to_grid=True)
    if layer is not None:
        return weight_zero_points.emit(lowering, node, layer, target)
    return matrix.integer_gemm(lowering, node, target)


def to_float(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Integer GEMM with float output."""
    layer = weight_zero_points.layer_of(lowering, node, to_grid=False)
    if layer is not None:
        return Plain(weight_zero_points.emit(lowering, node, layer, None))
    return Plain(matrix.integer_gemm_to_float(lowering, node))


def _check(node: ir.Node) -> None:
    if number(node, "alpha", 1.0) != 1.0 or integer(node, "transA", 0):
        raise Unsupported("with alpha or transA")
    if number(node, "beta", 1.0) != 1.0:
        raise Unsupported("with beta")


def _float_gemm(lowering: Lowering, node: ir.Node) -> Tensor:
    a, b, name = lowering.tensor(node.inputs[0]), _float_rhs(lowering, node), node.name or ""
    product = matrix.float_gemm(lowering, node, a, b)
    bias = lowering.optional_input(node, 2)
    return product if bias is None else add_floats(lowering, name, product, lowering.tensor(bias))


def _float_rhs(lowering: Lowering, node: ir.Node) -> Tensor:
    """The second operand as (K, N)."""
    value, lowered = node.inputs[1], lowering.lowered(node.inputs[1])
    if not integer(node, "transB", 0):
        return lowering.tensor(value)
    if isinstance(lowered, Constant):
        return constant_tensor(f"{node.name}_weights", lowered.floats.T)
    source = lowering.tensor(value)
    transposed = new_tensor(f"{source.name}_transposed", source.dtype, source.shape[::-1])
    return lowering.program.add("Transpose", node.name or "", [source], transposed, {"perm": [1, 0]})


LOWERINGS = {"Gemm": OpLowering(lower, to_grid, to_float)}
