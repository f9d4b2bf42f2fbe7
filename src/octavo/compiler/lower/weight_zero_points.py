"""Conv, Gemm and MatMul with weights that have zero points int8 cannot absorb, or one matrix per batch element."""

from __future__ import annotations

from math import prod
from typing import TypeVar

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.compiler.lower.integer_gemm import (
    IntegerWeights,
    check_batch,
    conv_matrices,
    convolve,
    multiply,
    zero_point_tensor,
)
from octavo.compiler.lower.linear import QuantizedLinear, output_of, quantized_linear
from octavo.compiler.lower.lowering import Lowering, like
from octavo.compiler.lower.onnx_attributes import integer
from octavo.compiler.lower.target import Target
from octavo.compiler.lower.values import Constant
from octavo.compiler.program import Tensor, constant_tensor

_Scalar = TypeVar("_Scalar", bound=np.generic)


def layer_of(lowering: Lowering, node: ir.Node, *, to_grid: bool) -> QuantizedLinear | None:
    """The layer on integers if it is of this kind; else None."""
    constant = lowering.lowered(node.inputs[1])
    if not isinstance(constant, Constant) or constant.params is None or constant.array.ndim < 2:
        return None
    if node.op_type == "MatMul" and constant.array.ndim > 2:
        axis = constant.array.ndim - 1
    elif constant.params.zero_point.any():
        axis = 0 if node.op_type == "Conv" or integer(node, "transB", 0) else 1
    else:
        return None
    return quantized_linear(lowering, node, axis, to_grid=to_grid, zero_points=True)


def emit(lowering: Lowering, node: ir.Node, layer: QuantizedLinear, target: Target | None) -> Tensor:
    """The layer as MatMulInteger, to the target's grid or, without a target, to float."""
    is_conv, name, layouts = node.op_type == "Conv", node.name or "", lowering.layouts
    source = (layouts.channels_last if is_conv else layouts.channels_first)(layer.source.tensor)
    operands = source, zero_point_tensor(name, source)
    result = output_of(lowering, node, target, channels_last=is_conv)
    weights = _weights(lowering, node, layer, target)
    if is_conv:
        convolve(lowering, node, operands, layer.weights.shape[2:], weights, result, target)
    else:
        check_batch(source, layer.weights.shape)
        multiply(lowering, node, operands, weights, result, target)
    if layer.float_bias is None:
        return result
    bias = constant_tensor(f"{name}_bias", layer.float_bias)
    return lowering.program.add("BinaryFloat", name, [result, bias], like(result, name), {"function": "Add"})


def _weights(lowering: Lowering, node: ir.Node, layer: QuantizedLinear, target: Target | None) -> IntegerWeights:
    constant, weights = lowering.lowered(node.inputs[1]), layer.weights
    assert isinstance(constant, Constant)
    assert constant.params is not None
    if node.op_type == "Conv":
        matrices = conv_matrices(weights, integer(node, "group", 1))
    elif integer(node, "transB", 0):
        matrices = weights.T[np.newaxis]
    else:
        matrices = weights.reshape(prod(weights.shape[:-2]), *weights.shape[-2:])
    groups, _, width = matrices.shape
    # The columns of a Conv are the channels of all groups; those of a batch are the same for each of its matrices.
    shape = (groups, width) if node.op_type == "Conv" else (1, width)
    zero_points = np.broadcast_to(constant.params.zero_point, layer.scale.shape)

    def columns(values: NDArray[_Scalar]) -> NDArray[_Scalar]:
        return np.broadcast_to(values.reshape(shape), (groups, width))

    bias, multiplier = columns(layer.bias), columns(layer.multiplier(target))
    return IntegerWeights(matrices, columns(zero_points), bias, multiplier)
