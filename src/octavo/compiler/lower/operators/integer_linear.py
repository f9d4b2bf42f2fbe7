"""ConvInteger and MatMulInteger with constant weights; the result is the int32 accumulator."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.compiler.lower.integer_gemm import IntegerWeights, check_batch, conv_matrices, convolve, multiply
from octavo.compiler.lower.lowering import Lowering, OpLowering, check_dtype
from octavo.compiler.lower.onnx_attributes import integer
from octavo.compiler.lower.values import Constant, LoweredValue, Plain, Unsupported
from octavo.compiler.program import Tensor, constant_tensor

# The largest k at which sums of products of two 8-bit differences, each at most 255 * 255, fit int32.
_MAX_K = (2**31 - 1) // (255 * 255)


def conv_integer(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """The activation's zero point may be computed at run time."""
    weights = lowering.constant_input(node, 1, "weights").array
    group = integer(node, "group", 1)
    weights, zero_points = _as_int8(weights, _zero_points(lowering, node, weights.dtype), len(weights))
    columns = _integer_weights(conv_matrices(weights, group), zero_points.reshape(group, -1))
    source, zero_point = _activation(lowering, node)
    operands = lowering.layouts.channels_last(source), zero_point
    result = lowering.new_output(node, np.int32, channels_last=True)
    return Plain(convolve(lowering, node, operands, weights.shape[2:], columns, result))


def matmul_integer(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """The activation's zero point may be computed at run time."""
    array = lowering.constant_input(node, 1, "weights").array
    if array.ndim < 2:
        raise Unsupported("by a vector")
    groups, n = prod(array.shape[:-2]), array.shape[-1]
    weights, zero_points = _as_int8(array, _zero_points(lowering, node, array.dtype), groups * n)
    source, zero_point = _activation(lowering, node)
    operands = lowering.layouts.channels_first(source), zero_point
    check_batch(operands[0], array.shape)
    columns = _integer_weights(weights.reshape(groups, *array.shape[-2:]), zero_points.reshape(groups, n))
    return Plain(multiply(lowering, node, operands, columns, lowering.new_output(node, np.int32)))


def _activation(lowering: Lowering, node: ir.Node) -> tuple[Tensor, Tensor]:
    """The activation in its layout, and its per-tensor zero point."""
    source, value = lowering.tensor_any_layout(node.inputs[0]), lowering.optional_input(node, 2)
    check_dtype(source, np.uint8, np.int8)
    if value is None:
        return source, constant_tensor(f"{node.name}_zero_point", np.zeros((), source.dtype))
    zero_point = lowering.tensor(value)
    if zero_point.count != 1:
        raise Unsupported("with one zero point per row")
    return source, zero_point


def _zero_points(lowering: Lowering, node: ir.Node, dtype: np.dtype) -> NDArray[np.int32]:
    constant = Constant(np.zeros((), dtype))
    if lowering.optional_input(node, 3) is not None:
        constant = lowering.constant_input(node, 3, "zero points")
    return constant.array.astype(np.int32)


def _as_int8(
    weights: NDArray[np.generic], zero_points: NDArray[np.int32], columns: int
) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Weights as int8 and one zero point per column; those of uint8 are shifted by 128."""
    shift = 128 if weights.dtype == np.uint8 else 0
    if zero_points.size == 1:
        zero_points = zero_points.reshape(1)
    elif columns % zero_points.size != 0:
        raise Unsupported("with zero points that are not one per column")
    repeated = np.resize(zero_points.reshape(-1), columns)
    return (weights.astype(np.int16) - shift).astype(np.int8), (repeated - shift).astype(np.int32)


def _integer_weights(matrices: NDArray[np.int8], zero_points: NDArray[np.int32]) -> IntegerWeights:
    if matrices.shape[1] > _MAX_K:
        raise Unsupported("whose accumulator can overflow")
    return IntegerWeights(matrices, zero_points, np.zeros_like(zero_points), np.ones(zero_points.shape, np.float32))


LOWERINGS = {"ConvInteger": OpLowering(conv_integer), "MatMulInteger": OpLowering(matmul_integer)}
