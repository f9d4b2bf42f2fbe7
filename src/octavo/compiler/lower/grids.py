"""QuantizeLinear and DequantizeLinear: where values enter and leave grids, and fusion happens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from octavo.affine import GRIDS, INT8, QuantParams, quantize, table
from octavo.affine import dequantize as real_numbers
from octavo.affine.params import spread
from octavo.compiler.lower import blocks
from octavo.compiler.lower.attributes import integer
from octavo.compiler.lower.facts import Fact, Known, OnGrid, Pending, Real, Unsupported
from octavo.compiler.lower.functions import FUNCTIONS, bounds_of, function_of
from octavo.compiler.lower.lowering import Lowering, like
from octavo.compiler.lower.target import Target
from octavo.compiler.program import Tensor, constant_tensor
from octavo.errors import OptionError


def dequantize_linear(lowering: Lowering, node: ir.Node) -> Fact:
    """Integers with a scale: written down only where something needs the floats."""
    fact = lowering.fact(node.inputs[0])
    if not _has_constants(lowering, node):
        return Real(blocks.dequantize(lowering, node))
    params = _params(lowering, node)
    if isinstance(fact, Known):
        return _absorbed(fact.array.astype(params.grid.numpy_dtype), params)
    if not _is_plain(params):
        return Real(blocks.dequantize(lowering, node))
    tensor = lowering.real_as_it_lies(node.inputs[0])
    # The same integers, with what they stand for.
    return OnGrid(replace(tensor, params=params), params)


def quantize_linear(lowering: Lowering, node: ir.Node) -> Fact:
    """Onto a grid, together with what makes the value where that has an integer kernel."""
    if not _has_constants(lowering, node):
        return Real(blocks.quantize(lowering, node))
    params = _params(lowering, node)
    fact = lowering.fact(node.inputs[0])
    if isinstance(fact, Known) and fact.params is None:
        return Known(quantize(fact.array, params))
    if not _is_plain(params):
        return Real(blocks.quantize(lowering, node))
    target = Target(params, params.grid.qmin, params.grid.qmax)
    source, functions = _walk_back(lowering, node.inputs[0])
    return Real(_fused(lowering, node, source, functions, target) or _quantized(lowering, node, target))


def requantized(lowering: Lowering, name: str, source: OnGrid, target: Target) -> Tensor:
    """The integers on another grid; those that already are on it stay where they are."""
    if target.whole and _same(source.params, target.params):
        return source.tensor
    every = np.arange(source.params.grid.qmin, source.params.grid.qmax + 1)
    return _look_up(lowering, name, source, quantize(real_numbers(every, source.params), target.params), target)


def _walk_back(lowering: Lowering, value: ir.Value | None) -> tuple[ir.Value | None, list[ir.Node]]:
    """Past functions of one number that nothing else reads: where they begin, and the functions in order."""
    functions: list[ir.Node] = []
    while value is not None:
        fact = lowering.fact(value)
        if not isinstance(fact, Pending) or fact.node.op_type not in FUNCTIONS or not sole_use(value):
            break
        functions.insert(0, fact.node)
        value = fact.node.inputs[0]
    return value, functions


def sole_use(value: ir.Value) -> bool:
    """Whether one node reads the value, and nobody else."""
    return len(value.uses()) == 1 and not value.is_graph_output()


def _fused(
    lowering: Lowering, node: ir.Node, source: ir.Value | None, functions: list[ir.Node], target: Target
) -> Tensor | None:
    fact, name = lowering.fact(source), node.name or ""
    grid = lowering.on_grid_as_it_lies(source)
    if grid is not None:
        return _function_on_grid(lowering, name, grid, functions, target)
    bounds = [bounds_of(lowering, function) for function in functions]
    if any(each is None for each in bounds) or source is None:
        return None
    for each in bounds:
        target = target.clipped(*each) if each is not None else target
    if isinstance(fact, Pending):
        from octavo.compiler.lower.registry import INTEGER

        write = INTEGER.get(fact.node.op_type)
        return None if write is None or not sole_use(source) else write(lowering, fact.node, target)
    return _quantize_real(lowering, name, lowering.real_as_it_lies(source), target)


def _function_on_grid(
    lowering: Lowering, name: str, source: OnGrid, functions: list[ir.Node], target: Target
) -> Tensor:
    if not functions:
        return requantized(lowering, name, source, target)

    def composed(x: np.ndarray) -> np.ndarray:
        # A number outside a function's domain gives NaN, which becomes the zero point.
        with np.errstate(all="ignore"):
            for each in functions:
                x = function_of(lowering, each)(x)
        return x

    return _look_up(lowering, name, source, table(composed, source.params, target.params), target)


def _look_up(lowering: Lowering, name: str, source: OnGrid, entries: np.ndarray, target: Target) -> Tensor:
    """A table over all bytes: entry i is for the byte i, whichever type it has."""
    in_order = np.clip(entries, target.low, target.high)
    if source.params.grid.signed:
        in_order = np.roll(in_order, 128)
    content = constant_tensor(f"{name}_table", in_order, target.params)
    result = like(source.tensor, name, in_order.dtype, target.params)
    return lowering.program.add("Lookup", name, [source.tensor, content], result)


def _quantized(lowering: Lowering, node: ir.Node, target: Target) -> Tensor:
    return _quantize_real(lowering, node.name or "", lowering.real_as_it_lies(node.inputs[0]), target)


def _quantize_real(lowering: Lowering, name: str, source: Tensor, target: Target) -> Tensor:
    if source.dtype != np.float32:
        raise Unsupported(f"of {source.dtype}")
    result = like(source, name, target.params.grid.numpy_dtype, target.params)
    return lowering.program.add("Quantize", name, [source], result, target.bounds)


def _same(a: QuantParams, b: QuantParams) -> bool:
    return a.grid == b.grid and float(a.scale) == float(b.scale) and int(a.zero_point) == int(b.zero_point)


def _has_constants(lowering: Lowering, node: ir.Node) -> bool:
    """Whether scale and zero point are known."""
    given = [node.inputs[1], lowering.given(node, 2)]
    return all(isinstance(lowering.fact(value), Known) for value in given if value is not None)


def _is_plain(params: QuantParams) -> bool:
    """Whether kernels on 8 bits take activations on this grid."""
    return params.axis is None and params.grid.dtype in ("int8", "uint8")


def _absorbed(integers: np.ndarray, params: QuantParams) -> Known:
    """8-bit constants as int8, as products take them, without zero points where the differences fit int8."""
    try:
        zero_point = spread(params.zero_point, params, integers.shape)
    except OptionError as error:
        raise Unsupported(f"with parameters that do not fit ({error})") from None
    if params.grid.dtype not in ("int8", "uint8"):
        return Known(integers, params)
    differences = integers.astype(np.int32) - zero_point
    if differences.size == 0 or (differences.min() >= INT8.qmin and differences.max() <= INT8.qmax):
        zeros = np.zeros_like(params.zero_point)
        return Known(
            differences.astype(np.int8), QuantParams(INT8, params.scale, zeros, params.axis, params.block_size)
        )
    if params.grid.signed:
        return Known(integers, params)
    shifted = QuantParams(INT8, params.scale, params.zero_point - 128, params.axis, params.block_size)
    return Known((integers.astype(np.int32) - 128).astype(np.int8), shifted)


def _params(lowering: Lowering, node: ir.Node) -> QuantParams:
    """Scale, zero point, grid, axis and blocks, as the node says them. Integers are dequantized from all of the type
    that holds them, whatever their bits: tables have an entry for each byte."""
    scale = lowering.constant(node, 1, "scales").array
    zero = lowering.constant(node, 2, "zero points").array if lowering.given(node, 2) is not None else None
    zero_point = np.zeros(scale.shape, np.int32) if zero is None else zero.astype(np.int32)
    axis, block = None, integer(node, "block_size", 0) or None
    if scale.size == 1:
        scale, zero_point, block = scale.reshape(()), zero_point.reshape(()), None
    else:
        axis = blocks.axis_of(node)
    grid = blocks.grid_of(node)
    if node.op_type == "DequantizeLinear":
        grid = GRIDS[grid.dtype]
    try:
        return QuantParams(grid, scale.astype(np.float32), zero_point, axis, block)
    except OptionError as error:
        raise Unsupported(f"with parameters that no grid has ({error})") from None
