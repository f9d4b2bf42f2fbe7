"""Quantize and dequantize where kernels on 8 bits with one scale end: other integers, scales along an axis or for
blocks of it, and scales that are computed while the model runs."""

from __future__ import annotations

import re
from math import prod

import numpy as np
import onnx_ir as ir

from octavo.affine import Grid
from octavo.compiler.lower.attributes import integer
from octavo.compiler.lower.facts import Known, Unsupported
from octavo.compiler.lower.lowering import Lowering, real_array
from octavo.compiler.program import Tensor, constant_tensor, new_tensor

_TENSOR, _AXIS, _BLOCK = range(3)
_INTEGER = re.compile(r"(u?)int(2|4|8|16|32)")


def quantize(lowering: Lowering, node: ir.Node) -> Tensor:
    """QuantizeLinear of floats to integers of up to 16 bits."""
    grid, source, name = grid_of(node), lowering.real(node.inputs[0]), node.name or ""
    if source.dtype != np.float32:
        raise Unsupported(f"of {source.dtype}")
    if grid.bits > 16:
        raise Unsupported(f"to {grid.dtype}")
    scale, zero_point = _parameters(lowering, node, grid)
    result = new_tensor(node.outputs[0].name or "", grid.numpy_dtype, source.shape)
    attributes = [*_attributes(node, source, scale), grid.qmin, grid.qmax]
    return lowering.program.add("QuantizeBlocks", name, [source, scale, zero_point], result, attributes)


def dequantize(lowering: Lowering, node: ir.Node) -> Tensor:
    """DequantizeLinear of integers to floats."""
    source, name = lowering.real(node.inputs[0]), node.name or ""
    scale, zero_point = _parameters(lowering, node, grid_of(node))
    result = new_tensor(node.outputs[0].name or "", np.float32, source.shape)
    attributes = _attributes(node, source, scale)
    return lowering.program.add("DequantizeBlocks", name, [source, scale, zero_point], result, attributes)


def grid_of(node: ir.Node) -> Grid:
    """The integers that a node makes or reads; of 2 and 4 bits, in the bytes that hold them.

    Raises:
        Unsupported: they are floats of 4 or 8 bits, which lie on no grid.
    """
    name = _type_of(node)
    found = _INTEGER.fullmatch(name)
    if found is None:
        raise Unsupported(f"with {name}")
    sign, bits = found[1], int(found[2])
    low, high = (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return Grid(f"{sign}int{max(bits, 8)}", low, high)


def axis_of(node: ir.Node) -> int:
    """The axis that scales run along, counted from the first."""
    axis, value = integer(node, "axis", 1), node.inputs[0]
    return axis + len(value.shape) if axis < 0 and value is not None and value.shape is not None else axis


def _type_of(node: ir.Node) -> str:
    """The name of the integers' type: the zero point's, or without one that of the data."""
    zero = node.inputs[2] if len(node.inputs) > 2 else None
    if node.op_type == "QuantizeLinear" and zero is None:
        return ir.DataType(integer(node, "output_dtype", 0) or ir.DataType.UINT8).name.lower()
    value = node.inputs[0] if zero is None else zero
    return "" if value is None or value.dtype is None else value.dtype.name.lower()


def _parameters(lowering: Lowering, node: ir.Node, grid: Grid) -> tuple[Tensor, Tensor]:
    """Scales and zero points as tensors, of float32 and of the integers' type."""
    scale = lowering.fact(node.inputs[1])
    scales = lowering.real(node.inputs[1])
    if isinstance(scale, Known):
        scales = constant_tensor(scales.name, real_array(scale).astype(np.float32))
    zero = lowering.given(node, 2)
    if zero is None:
        return scales, constant_tensor(f"{node.name}_zero", np.zeros(scales.shape, grid.numpy_dtype))
    known, zero_points = lowering.fact(zero), lowering.real(zero)
    if isinstance(known, Known):
        zero_points = constant_tensor(zero_points.name, known.array.astype(grid.numpy_dtype))
    if scales.dtype != np.float32 or zero_points.dtype != grid.numpy_dtype:
        raise Unsupported(f"with scales of {scales.dtype} and zero points of {zero_points.dtype}")
    return scales, zero_points


def _attributes(node: ir.Node, source: Tensor, scale: Tensor) -> list[int]:
    """The data's sizes before, along and behind the axis, how scales are shared, and how long blocks are."""
    shape = source.shape
    if scale.count == 1:
        return [1, 1, source.count, _TENSOR, 1]
    axis, block = axis_of(node), integer(node, "block_size", 0)
    if not 0 <= axis < len(shape):
        raise Unsupported(f"along axis {axis} of {len(shape)}")
    sizes = [prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])]
    if not block and scale.shape == (shape[axis],):
        return [*sizes, _AXIS, 1]
    blocked = (*shape[:axis], -(-shape[axis] // block) if block else 0, *shape[axis + 1 :])
    if scale.shape != blocked:
        raise Unsupported(f"with scales of shape {scale.shape} for {shape}")
    return [*sizes, _BLOCK, block]
