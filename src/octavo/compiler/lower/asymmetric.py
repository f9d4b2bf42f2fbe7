"""Conv, Gemm and MatMul on a grid by weights that products.py does not take: with zero points that int8 cannot
absorb, or a matrix for each of a batch."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from octavo.affine import requantization_multiplier
from octavo.compiler.kinds import BINARY
from octavo.compiler.lower import batches, products
from octavo.compiler.lower.attributes import integer
from octavo.compiler.lower.facts import Fact, Known, Pending, Real
from octavo.compiler.lower.lowering import Handler, Lowering, like
from octavo.compiler.lower.matrices import Matrices, check_batch, convolve, multiply, of_channels, zero_point_tensor
from octavo.compiler.lower.products import Product, product_of
from octavo.compiler.lower.target import Target
from octavo.compiler.program import Tensor, constant_tensor

_HANDLERS: dict[str, Handler] = {"Conv": products.conv, "Gemm": products.gemm, "MatMul": batches.matmul}
_WRITERS = {"Conv": products.integer_conv, "Gemm": products.integer_matrix, "MatMul": batches.integer_matmul}
_FINISH: dict[str, Handler] = {
    "Conv": products.finish_conv,
    "Gemm": products.finish_matrix,
    "MatMul": batches.finish_matmul,
}


def product(lowering: Lowering, node: ir.Node) -> Fact:
    """A product of this kind waits for its result's grid; another is the others' to lower."""
    return Pending(node) if _product(lowering, node, to_grid=False) else _HANDLERS[node.op_type](lowering, node)


def integer_product(lowering: Lowering, node: ir.Node, target: Target) -> Tensor | None:
    """On integers, to the target's grid."""
    found = _product(lowering, node, to_grid=True)
    if found is None:
        return _WRITERS[node.op_type](lowering, node, target)
    return _written(lowering, node, found, target)


def finish_product(lowering: Lowering, node: ir.Node) -> Fact:
    """On integers, to floats."""
    found = _product(lowering, node, to_grid=False)
    return _FINISH[node.op_type](lowering, node) if found is None else Real(_written(lowering, node, found, None))


def _product(lowering: Lowering, node: ir.Node, *, to_grid: bool) -> Product | None:
    known = lowering.fact(node.inputs[1])
    if not isinstance(known, Known) or known.params is None or known.array.ndim < 2:
        return None
    if node.op_type != "MatMul" or known.array.ndim == 2:
        if not known.params.zero_point.any():
            return None
        axis = 0 if node.op_type == "Conv" or integer(node, "transB", 0) else 1
        return product_of(lowering, node, axis, to_grid=to_grid, zero_points=True)
    return product_of(lowering, node, known.array.ndim - 1, to_grid=to_grid, zero_points=True)


def _written(lowering: Lowering, node: ir.Node, found: Product, target: Target | None) -> Tensor:
    is_conv, name, layouts = node.op_type == "Conv", node.name or "", lowering.layouts
    source = (layouts.channels_last if is_conv else layouts.channels_first)(found.source.tensor)
    operands = source, zero_point_tensor(name, source)
    bounds = (0, 0) if target is None else (target.low, target.high)
    kind = (np.float32, None) if target is None else (target.params.grid.numpy_dtype, target.params)
    result = lowering.new(node, *kind, channels_last=is_conv)
    matrices = _matrices(lowering, node, found, target)
    if is_conv:
        convolve(lowering, node, operands, found.weights.shape[2:], matrices, result, bounds)
    else:
        check_batch(source, found.weights.shape)
        multiply(lowering, node, operands, matrices, result, bounds)
    if found.rest is None:
        return result
    rest, total = constant_tensor(f"{name}_bias", found.rest), like(result, name)
    return lowering.program.add("BinaryFloat", name, [result, rest], total, [BINARY["Add"]])


def _matrices(lowering: Lowering, node: ir.Node, found: Product, target: Target | None) -> Matrices:
    known, weights = lowering.fact(node.inputs[1]), found.weights
    assert isinstance(known, Known)
    assert known.params is not None
    if node.op_type == "Conv":
        matrices = of_channels(weights, integer(node, "group", 1))
    elif integer(node, "transB", 0):
        matrices = weights.T[np.newaxis]
    else:
        matrices = weights.reshape(prod(weights.shape[:-2]), *weights.shape[-2:])
    groups, _, width = matrices.shape
    # A channel's own column, or the columns of every matrix of the batch.
    per_group = (groups, width) if node.op_type == "Conv" else (1, width)
    source = found.source.params.scale
    if target is None:
        multiplier = np.multiply(source, found.scale, dtype=np.float32)
    else:
        multiplier = requantization_multiplier(source, found.scale, target.params.scale)
    zero_points = np.broadcast_to(known.params.zero_point, found.scale.shape)
    columns = (
        np.broadcast_to(each.reshape(per_group), (groups, width)) for each in (zero_points, found.bias, multiplier)
    )
    return Matrices(matrices, *columns)
