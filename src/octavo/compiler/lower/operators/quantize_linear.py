"""QuantizeLinear and DequantizeLinear: where operators are fused into integer kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from octavo.affine import GRIDS, INT8, QuantParams, quantize, table
from octavo.affine.params import spread
from octavo.compiler.lower import block_quantize
from octavo.compiler.lower.lookup_table import look_up, requantized
from octavo.compiler.lower.lowering import Lowering, OpLowering, check_dtype, like
from octavo.compiler.lower.onnx_attributes import integer
from octavo.compiler.lower.operators.activations import ACTIVATIONS, clip_bounds, scalar_function
from octavo.compiler.lower.target import Target, bounds_of
from octavo.compiler.lower.values import Constant, Deferred, LoweredValue, Plain, Quantized, Unsupported
from octavo.compiler.program import Tensor
from octavo.errors import OptionError


def dequantize_linear(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Attach parameters to integers; an operator is emitted only if a consumer needs floats."""
    lowered = lowering.lowered(node.inputs[0])
    if not _has_constant_params(lowering, node):
        return Plain(block_quantize.dequantize(lowering, node))
    params = _params(lowering, node)
    if isinstance(lowered, Constant):
        return _quantized_constant(lowered.array.astype(params.grid.numpy_dtype), params)
    if not _is_per_tensor_8bit(params):
        return Plain(block_quantize.dequantize(lowering, node))
    tensor = lowering.tensor_any_layout(node.inputs[0])
    return Quantized(replace(tensor, params=params), params)


def quantize_linear(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Quantize, fused with the operator that computes the value if that has an integer kernel."""
    if not _has_constant_params(lowering, node):
        return Plain(block_quantize.quantize(lowering, node))
    params = _params(lowering, node)
    lowered = lowering.lowered(node.inputs[0])
    if isinstance(lowered, Constant) and lowered.params is None:
        return Constant(quantize(lowered.array, params))
    if not _is_per_tensor_8bit(params):
        return Plain(block_quantize.quantize(lowering, node))
    target = Target(params, params.grid.qmin, params.grid.qmax)
    name = node.name or ""
    fused = _fused(lowering, name, node.inputs[0], target)
    return Plain(fused or _quantized(lowering, name, lowering.tensor_any_layout(node.inputs[0]), target))


def _fused(lowering: Lowering, name: str, value: ir.Value | None, target: Target) -> Tensor | None:
    """The quantized value by an integer kernel or a lookup table, with the activations between; None if unsupported."""
    source, activations = _before_activations(lowering, value)
    quantized = lowering.quantized_any_layout(source)
    if quantized is not None:
        return _activations_by_table(lowering, name, quantized, activations, target)
    clips = [clip_bounds(lowering, activation) for activation in activations]
    if any(clip is None for clip in clips) or source is None:
        return None
    for clip in clips:
        target = target.clipped(*clip) if clip is not None else target
    lowered = lowering.lowered(source)
    if isinstance(lowered, Deferred):
        to_grid = lowering.operators[lowered.node.op_type].to_grid
        return None if to_grid is None or not _has_one_use(source) else to_grid(lowering, lowered.node, target)
    return _quantized(lowering, name, lowering.tensor_any_layout(source), target)


def _before_activations(lowering: Lowering, value: ir.Value | None) -> tuple[ir.Value | None, list[ir.Node]]:
    """The input of the chain of single-use activations that computes the value, and the activations in order."""
    activations: list[ir.Node] = []
    while value is not None:
        lowered = lowering.lowered(value)
        if not isinstance(lowered, Deferred) or lowered.node.op_type not in ACTIVATIONS or not _has_one_use(value):
            break
        activations.insert(0, lowered.node)
        value = lowered.node.inputs[0]
    return value, activations


def _has_one_use(value: ir.Value) -> bool:
    return len(value.uses()) == 1 and not value.is_graph_output()


def _activations_by_table(
    lowering: Lowering, name: str, source: Quantized, activations: list[ir.Node], target: Target
) -> Tensor:
    """The composition of the activations as one lookup table."""
    if not activations:
        return requantized(lowering, name, source, target)

    def composed(x: np.ndarray) -> np.ndarray:
        # Inputs outside a function's domain give NaN, which quantizes to the zero point.
        with np.errstate(all="ignore"):
            for activation in activations:
                x = scalar_function(lowering, activation)(x)
        return x

    return look_up(lowering, name, source, table(composed, source.params, target.params), target)


def _quantized(lowering: Lowering, name: str, source: Tensor, target: Target) -> Tensor:
    """Quantize a float tensor."""
    check_dtype(source, np.float32)
    result = like(source, name, target.params.grid.numpy_dtype, target.params)
    return lowering.program.add("Quantize", name, [source], result, bounds_of(target))


def _has_constant_params(lowering: Lowering, node: ir.Node) -> bool:
    """Whether scale and zero point are constants."""
    params = [node.inputs[1], lowering.optional_input(node, 2)]
    return all(isinstance(lowering.lowered(value), Constant) for value in params if value is not None)


def _is_per_tensor_8bit(params: QuantParams) -> bool:
    """Whether the 8-bit kernels accept activations with these parameters."""
    return params.axis is None and params.grid.dtype in ("int8", "uint8")


def _quantized_constant(integers: np.ndarray, params: QuantParams) -> Constant:
    """A quantized constant; 8-bit ones as int8, with zero point 0 if all q - zero_point fit int8."""
    try:
        zero_point = spread(params.zero_point, params, integers.shape)
    except OptionError as error:
        raise Unsupported(f"with parameters of the wrong shape ({error})") from None
    if params.grid.dtype not in ("int8", "uint8"):
        return Constant(integers, params)
    centered = integers.astype(np.int32) - zero_point
    if centered.size == 0 or (centered.min() >= INT8.qmin and centered.max() <= INT8.qmax):
        zeros = np.zeros_like(params.zero_point)
        symmetric = QuantParams(INT8, params.scale, zeros, params.axis, params.block_size)
        return Constant(centered.astype(np.int8), symmetric)
    if params.grid.signed:
        return Constant(integers, params)
    shifted = QuantParams(INT8, params.scale, params.zero_point - 128, params.axis, params.block_size)
    return Constant((integers.astype(np.int32) - 128).astype(np.int8), shifted)


def _params(lowering: Lowering, node: ir.Node) -> QuantParams:
    """Scale, zero point, grid, axis and block size of the node.

    The grid of a DequantizeLinear is the full range of its storage dtype: lookup tables have an entry for each byte.
    """
    scale = lowering.constant_input(node, 1, "scales").array
    zero_point = np.zeros(scale.shape, np.int32)
    if lowering.optional_input(node, 2) is not None:
        zero_point = lowering.constant_input(node, 2, "zero points").array.astype(np.int32)
    axis, block = None, integer(node, "block_size", 0) or None
    if scale.size == 1:
        scale, zero_point, block = scale.reshape(()), zero_point.reshape(()), None
    else:
        axis = block_quantize.axis_of(node)
    grid = block_quantize.grid_of(node)
    if node.op_type == "DequantizeLinear":
        grid = GRIDS[grid.dtype]
    try:
        return QuantParams(grid, scale.astype(np.float32), zero_point, axis, block)
    except OptionError as error:
        raise Unsupported(f"with invalid parameters ({error})") from None


LOWERINGS = {
    "QuantizeLinear": OpLowering(quantize_linear),
    "DequantizeLinear": OpLowering(dequantize_linear),
}
