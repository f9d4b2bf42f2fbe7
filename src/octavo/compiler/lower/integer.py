"""ConvInteger and MatMulInteger: products of integers by constant integers, as 32-bit sums."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.compiler.lower import attributes
from octavo.compiler.lower.facts import Fact, Known, Real, Unsupported
from octavo.compiler.lower.lowering import Lowering
from octavo.compiler.lower.matrices import Matrices, check_batch, convolve, multiply, of_channels
from octavo.compiler.program import Tensor, constant_tensor


def conv_integer(lowering: Lowering, node: ir.Node) -> Fact:
    """The activation's zero point may be computed while the model runs."""
    weights = lowering.constant(node, 1, "weights").array
    group = attributes.integer(node, "group", 1)
    weights, zero_points = _signed(weights, _zero_points(lowering, node, weights.dtype), len(weights))
    matrices = _matrices(of_channels(weights, group), zero_points.reshape(group, -1))
    source, zero_point = _operands(lowering, node)
    operands = lowering.layouts.channels_last(source), zero_point
    result = lowering.new(node, np.int32, channels_last=True)
    return Real(convolve(lowering, node, operands, weights.shape[2:], matrices, result))


def matmul_integer(lowering: Lowering, node: ir.Node) -> Fact:
    """The activation's zero point may be computed while the model runs."""
    array = lowering.constant(node, 1, "weights").array
    if array.ndim < 2:
        raise Unsupported("by a vector")
    groups, columns = prod(array.shape[:-2]), array.shape[-1]
    weights, zero_points = _signed(array, _zero_points(lowering, node, array.dtype), groups * columns)
    source, zero_point = _operands(lowering, node)
    operands = lowering.layouts.channels_first(source), zero_point
    check_batch(operands[0], array.shape)
    matrices = _matrices(weights.reshape(groups, *array.shape[-2:]), zero_points.reshape(groups, columns))
    return Real(multiply(lowering, node, operands, matrices, lowering.new(node, np.int32)))


def _operands(lowering: Lowering, node: ir.Node) -> tuple[Tensor, Tensor]:
    """The activation as it lies, and its zero point, one for all of it."""
    source, value = lowering.real_as_it_lies(node.inputs[0]), lowering.given(node, 2)
    if source.dtype not in (np.uint8, np.int8):
        raise Unsupported(f"of {source.dtype}")
    if value is None:
        return source, constant_tensor(f"{node.name}_zero_point", np.zeros((), source.dtype))
    zero_point = lowering.real(value)
    if zero_point.count != 1:
        raise Unsupported("with a zero point for each row")
    return source, zero_point


def _zero_points(lowering: Lowering, node: ir.Node, dtype: np.dtype) -> NDArray[np.int32]:
    known = Known(np.zeros((), dtype)) if lowering.given(node, 3) is None else lowering.constant(node, 3, "zero points")
    return known.array.astype(np.int32)


def _signed(
    weights: NDArray[np.generic], zero_points: NDArray[np.int32], columns: int
) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Weights as int8 and a zero point for each column; uint8 is shifted by 128, and its zero points with it."""
    shift = 128 if weights.dtype == np.uint8 else 0
    if zero_points.size == 1:
        zero_points = zero_points.reshape(1)
    elif columns % zero_points.size != 0:
        raise Unsupported("with zero points that belong to no column")
    repeated = np.resize(zero_points.reshape(-1), columns)
    return (weights.astype(np.int16) - shift).astype(np.int8), (repeated - shift).astype(np.int32)


def _matrices(weights: NDArray[np.int8], zero_points: NDArray[np.int32]) -> Matrices:
    if weights.shape[1] > _DEEPEST:
        raise Unsupported("whose accumulator can overflow")
    return Matrices(weights, zero_points, np.zeros_like(zero_points), np.ones(zero_points.shape, np.float32))


# Each product is at most 255 * 255.
_DEEPEST = (2**31 - 1) // (255 * 255)
