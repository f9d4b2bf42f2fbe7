"""GEMMs of Gemm and MatMul: the operators MatMul (integer, constant weights) and MatMulFloat."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.compiler.lower.linear import add_float_bias, output_of, packed_constants, quantized_linear
from octavo.compiler.lower.lowering import Lowering
from octavo.compiler.lower.onnx_attributes import integer
from octavo.compiler.lower.target import Target, bounds_of
from octavo.compiler.lower.values import Unsupported
from octavo.compiler.program import Tensor


def channel_axis(node: ir.Node) -> int:
    """The axis of the output channels in the weight matrix."""
    return 0 if node.op_type == "Gemm" and integer(node, "transB", 0) else 1


def integer_gemm(lowering: Lowering, node: ir.Node, target: Target | None) -> Tensor | None:
    """Integer GEMM to the target's grid, or to float without a target; None if it must run in float."""
    axis = channel_axis(node)
    layer = quantized_linear(lowering, node, axis, to_grid=target is not None)
    if layer is None:
        return None
    weights = layer.weights.T if axis == 0 else layer.weights
    source = lowering.layouts.channels_first(layer.source.tensor)
    name, result = node.name or "", output_of(lowering, node, target)
    constants = packed_constants(lowering, name, layer, weights[np.newaxis], layer.multiplier(target))
    lowering.program.add("MatMul", name, [source, *constants], result, bounds_of(target))
    return add_float_bias(lowering, name, result, layer)


def integer_gemm_to_float(lowering: Lowering, node: ir.Node) -> Tensor:
    """Integer GEMM with float output, of a node that was deferred because it can run on integers."""
    result = integer_gemm(lowering, node, None)
    assert result is not None
    return result


def float_gemm(lowering: Lowering, node: ir.Node, a: Tensor, b: Tensor) -> Tensor:
    """Float GEMM; leading axes are batches."""
    result = lowering.new_output(node)
    if a.dtype != np.float32 or b.dtype != np.float32:
        raise Unsupported(f"of {a.dtype} and {b.dtype}")
    if len(a.shape) < 2 or (len(b.shape) != 2 and a.shape[:-2] != b.shape[:-2]):
        raise Unsupported("of operands with different batch axes")
    return lowering.program.add("MatMulFloat", node.name or "", [a, b], result)
