"""QuantizeLinear and DequantizeLinear: where values enter and leave grids, and fusion happens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from octavo.affine import GRIDS, QuantParams, quantize, table
from octavo.affine import dequantize as real_numbers
from octavo.errors import OptionError
from octavo.export.kinds import BINARY
from octavo.export.lower.attributes import integer
from octavo.export.lower.facts import Fact, Known, OnGrid, Pending, Real, Unsupported
from octavo.export.lower.functions import FUNCTIONS, bounds_of, function_of
from octavo.export.lower.lowering import Lowering, like
from octavo.export.lower.target import Target
from octavo.export.program import Tensor, constant_tensor


def dequantize_linear(lowering: Lowering, node: ir.Node) -> Fact:
    """Integers with a scale: written down only where something needs the floats."""
    fact = lowering.fact(node.inputs[0])
    params = _params(lowering, node, fact)
    if isinstance(fact, Known):
        return Known(fact.array.astype(params.grid.numpy_dtype), params)
    if params.grid.dtype not in ("int8", "uint8"):
        raise Unsupported("of activations that are not 8-bit integers")
    if params.axis is not None:
        return Real(_dequantized_along(lowering, node, lowering.real(node.inputs[0]), params))
    tensor = lowering.real_as_it_lies(node.inputs[0])
    # The same integers, with what they stand for.
    return OnGrid(replace(tensor, params=params), params)


def _dequantized_along(lowering: Lowering, node: ir.Node, tensor: Tensor, params: QuantParams) -> Tensor:
    """Scale times difference, where each part of an axis has parameters of its own: rows of a quantized table."""
    assert params.axis is not None
    name, shape = node.name or "", (-1, *[1] * (len(tensor.shape) - params.axis - 1))
    plain = Tensor(tensor.name, tensor.dtype, tensor.shape, tensor.buffer)
    result = lowering.program.add("Dequantize", name, [plain], lowering.new(node))
    for kind, numbers in (("Sub", params.zero_point), ("Mul", params.scale)):
        if kind == "Mul" or numbers.any():
            operand = constant_tensor(f"{name}_{kind}", numbers.astype(np.float32).reshape(shape))
            result = lowering.program.add("BinaryFloat", name, [result, operand], lowering.new(node), [BINARY[kind]])
    return result


def quantize_linear(lowering: Lowering, node: ir.Node) -> Fact:
    """Onto a grid, together with what makes the value where that has an integer kernel."""
    params = _params(lowering, node, None)
    fact = lowering.fact(node.inputs[0])
    if isinstance(fact, Known) and fact.params is None:
        return Known(quantize(fact.array, params))
    if params.axis is not None or params.grid.dtype not in ("int8", "uint8"):
        raise Unsupported("to other than 8-bit integers with one scale")
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
        from octavo.export.lower.registry import INTEGER

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


def _params(lowering: Lowering, node: ir.Node, integers: Fact | None) -> QuantParams:
    """Scale, zero point, grid and axis, as the node says them."""
    scale = lowering.constant(node, 1, "scales").array
    zero = lowering.constant(node, 2, "zero points").array if lowering.given(node, 2) is not None else None
    dtype = _grid_type(node, integers if zero is None else None, zero)
    if dtype not in GRIDS or integer(node, "block_size", 0):
        raise Unsupported(f"with {'blocks' if dtype in GRIDS else dtype}")
    zero_point = np.zeros(scale.shape, np.int32) if zero is None else zero.astype(np.int32)
    axis = None
    if scale.size == 1:
        scale, zero_point = scale.reshape(()), zero_point.reshape(())
    else:
        axis = integer(node, "axis", 1)
        value = node.inputs[0]
        axis = axis + len(value.shape) if axis < 0 and value is not None and value.shape is not None else axis
    try:
        return QuantParams(GRIDS[dtype], scale.astype(np.float32), zero_point, axis)
    except OptionError as error:
        raise Unsupported(f"with parameters that no grid has ({error})") from None


def _grid_type(node: ir.Node, integers: Fact | None, zero: np.ndarray | None) -> str:
    """The name of the integers' type: the zero point's, or without one that of the data."""
    value = node.inputs[2] if zero is not None else node.inputs[0]
    if node.op_type == "QuantizeLinear" and zero is None:
        return "uint8"
    return "" if value is None or value.dtype is None else value.dtype.name.lower()
