"""Quantize and dequantize beyond per-tensor 8 bits: other integer types, per-channel and blocked scales, and scales
computed at run time."""

from __future__ import annotations

import re

import numpy as np
import onnx_ir as ir

from octavo.affine import Grid
from octavo.compiler.lower.layout import outer_length_inner
from octavo.compiler.lower.lowering import Lowering, check_dtype
from octavo.compiler.lower.onnx_attributes import integer
from octavo.compiler.lower.values import Constant, Unsupported
from octavo.compiler.program import Tensor, constant_tensor, new_tensor

_PER_TENSOR, _PER_AXIS, _PER_BLOCK = range(3)
_INTEGER = re.compile(r"(u?)int(2|4|8|16|32)")


def quantize(lowering: Lowering, node: ir.Node) -> Tensor:
    """QuantizeLinear of floats to integers of up to 16 bits."""
    grid, source, name = grid_of(node), lowering.tensor(node.inputs[0]), node.name or ""
    check_dtype(source, np.float32)
    if grid.bits > 16:
        raise Unsupported(f"to {grid.dtype}")
    scale, zero_point = _parameters(lowering, node, grid)
    result = new_tensor(node.outputs[0].name or "", grid.numpy_dtype, source.shape)
    attributes = {**_attributes(node, source, scale), "qmin": grid.qmin, "qmax": grid.qmax}
    return lowering.program.add("QuantizeBlocks", name, [source, scale, zero_point], result, attributes)


def dequantize(lowering: Lowering, node: ir.Node) -> Tensor:
    """DequantizeLinear of integers to floats."""
    source, name = lowering.tensor(node.inputs[0]), node.name or ""
    scale, zero_point = _parameters(lowering, node, grid_of(node))
    result = new_tensor(node.outputs[0].name or "", np.float32, source.shape)
    attributes = _attributes(node, source, scale)
    return lowering.program.add("DequantizeBlocks", name, [source, scale, zero_point], result, attributes)


def grid_of(node: ir.Node) -> Grid:
    """The grid of the node's quantized integers; those of 2 and 4 bits are stored one per byte.

    Raises:
        Unsupported: the quantized type is a float of 4 or 8 bits.
    """
    name = _quantized_type(node)
    match = _INTEGER.fullmatch(name)
    if match is None:
        raise Unsupported(f"with {name}")
    unsigned, bits = match[1], int(match[2])
    low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return Grid(f"{unsigned}int{max(bits, 8)}", low, high)


def axis_of(node: ir.Node) -> int:
    """The quantization axis, non-negative if the rank is known."""
    axis, value = integer(node, "axis", 1), node.inputs[0]
    return axis + len(value.shape) if axis < 0 and value is not None and value.shape is not None else axis


def _quantized_type(node: ir.Node) -> str:
    """The name of the quantized type: that of the zero point or, without one, of the data."""
    zero = node.inputs[2] if len(node.inputs) > 2 else None
    if node.op_type == "QuantizeLinear" and zero is None:
        return ir.DataType(integer(node, "output_dtype", 0) or ir.DataType.UINT8).name.lower()
    value = node.inputs[0] if zero is None else zero
    return "" if value is None or value.dtype is None else value.dtype.name.lower()


def _parameters(lowering: Lowering, node: ir.Node, grid: Grid) -> tuple[Tensor, Tensor]:
    """Scales (float32) and zero points (dtype of the grid) as tensors."""
    constant = lowering.lowered(node.inputs[1])
    scales = lowering.tensor(node.inputs[1])
    if isinstance(constant, Constant):
        scales = constant_tensor(scales.name, constant.floats)
    zero = lowering.optional_input(node, 2)
    if zero is None:
        return scales, constant_tensor(f"{node.name}_zero", np.zeros(scales.shape, grid.numpy_dtype))
    constant, zero_points = lowering.lowered(zero), lowering.tensor(zero)
    if isinstance(constant, Constant):
        zero_points = constant_tensor(zero_points.name, constant.array.astype(grid.numpy_dtype))
    if scales.dtype != np.float32 or zero_points.dtype != grid.numpy_dtype:
        raise Unsupported(f"with scales of {scales.dtype} and zero points of {zero_points.dtype}")
    return scales, zero_points


def _attributes(node: ir.Node, source: Tensor, scale: Tensor) -> dict[str, int]:
    """Element counts before, along and after the axis; granularity; block size."""
    shape = source.shape
    if scale.count == 1:
        return {"outer": 1, "length": 1, "inner": source.count, "sharing": _PER_TENSOR, "block": 1}
    axis, block = axis_of(node), integer(node, "block_size", 0)
    if not 0 <= axis < len(shape):
        raise Unsupported(f"along axis {axis} of {len(shape)}")
    sizes = outer_length_inner(shape, axis, axis + 1)
    if not block and scale.shape == (shape[axis],):
        return {**sizes, "sharing": _PER_AXIS, "block": 1}
    blocked = (*shape[:axis], -(-shape[axis] // block) if block else 0, *shape[axis + 1 :])
    if scale.shape != blocked:
        raise Unsupported(f"with scales of shape {scale.shape} for {shape}")
    return {**sizes, "sharing": _PER_BLOCK, "block": block}
