"""ConvTranspose: an integer kernel with quantized constant weights and output, else float."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.affine import accumulator_bound, requantization_multiplier
from octavo.compiler.lower.linear import ACCUMULATOR_LIMIT, named_constants
from octavo.compiler.lower.lowering import Lowering, OpLowering, static_shape
from octavo.compiler.lower.onnx_attributes import integer, integers, text
from octavo.compiler.lower.target import Target, bounds_of
from octavo.compiler.lower.values import Constant, Deferred, LoweredValue, Plain, Quantized, Unsupported
from octavo.compiler.lower.window import check_image, height_width, two
from octavo.compiler.panels import pad_columns
from octavo.compiler.program import Tensor, constant_tensor, view


@dataclass(frozen=True)
class _Layer:
    """A ConvTranspose that can run on integers; `scale` and `bias` are per output channel."""

    source: Quantized
    weights: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.int32]


def lower(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Deferred if it can run on integers."""
    return to_float(lowering, node) if _layer_of(lowering, node) is None else Deferred(node)


def to_float(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """The float kernel."""
    source = lowering.tensor(node.inputs[0])
    weights = lowering.constant_input(node, 1, "weights").floats
    result, group = lowering.new_output(node), integer(node, "group", 1)
    bias = np.zeros(weights.shape[1] * group, np.float32)
    if lowering.optional_input(node, 2) is not None:
        bias = lowering.constant_input(node, 2, "biases").floats
    name = node.name or ""
    kernel = two(weights.shape[2:])
    constants = [
        constant_tensor(f"{name}_weights", weights.reshape(*weights.shape[:2], *kernel)),
        constant_tensor(f"{name}_bias", bias),
    ]
    attributes = _window(node, source.shape, weights.shape[2:])
    lowering.program.add("ConvTransposeFloat", name, [_as_2d(source), *constants], _as_2d(result), attributes)
    return Plain(result)


def to_grid(lowering: Lowering, node: ir.Node, target: Target) -> Tensor | None:
    """The integer kernel, requantized to the output grid."""
    layer = _layer_of(lowering, node)
    if layer is None:
        return None
    weights, source = layer.weights, layer.source
    group, name = integer(node, "group", 1), node.name or ""
    depth, channels = weights.shape[0] // group, weights.shape[1]
    matrices = weights.reshape(group, depth, -1)
    sums = matrices.astype(np.int32).sum(axis=1, dtype=np.int32)
    multiplier = requantization_multiplier(source.params.scale, layer.scale, target.params.scale)
    constants = named_constants(
        name,
        [
            lowering.packer.pack(matrices),
            pad_columns(sums, group),
            layer.bias,
            np.broadcast_to(multiplier, group * channels),
        ],
    )
    result = lowering.new_output(node, target.params.grid.numpy_dtype, target.params)
    attributes = {**_window(node, source.tensor.shape, weights.shape[2:]), **bounds_of(target)}
    inputs = [_as_2d(source.tensor), *constants]
    lowering.program.add("ConvTranspose", name, inputs, _as_2d(result), attributes)
    return result


def _layer_of(lowering: Lowering, node: ir.Node) -> _Layer | None:
    """The layer on integers, or None if it must run in float."""
    source, constant = lowering.quantized(node.inputs[0]), lowering.lowered(node.inputs[1])
    if source is None or not isinstance(constant, Constant) or constant.params is None:
        return None
    params = constant.params
    if params.grid.dtype != "int8" or params.zero_point.any() or params.axis not in (None, 1):
        return None
    check_image(source.tensor)
    channels, group = constant.array.shape[1], integer(node, "group", 1)
    scale = np.tile(np.broadcast_to(params.scale, (channels,)), group).astype(np.float32)
    rounded = np.zeros(scale.shape, np.float64)
    if lowering.optional_input(node, 2) is not None:
        bias = lowering.lowered(node.inputs[2])
        if not isinstance(bias, Constant) or bias.array.size != scale.size:
            return None
        rounded = np.rint(bias.values.reshape(-1) / (source.params.scale * scale).astype(np.float64))
    if np.abs(rounded).max(initial=0) >= ACCUMULATOR_LIMIT:
        return None
    int_bias = rounded.astype(np.int32)
    contraction = (0, 2, 3)[: constant.array.ndim - 1]
    bound = accumulator_bound(constant.array, params, source.params, int_bias, contraction=contraction)
    if bound >= ACCUMULATOR_LIMIT:
        raise Unsupported("whose accumulator can overflow")
    return _Layer(source, constant.array.astype(np.int8), scale, int_bias)


def _as_2d(tensor: Tensor) -> Tensor:
    """The tensor as (N, C, H, W), with H = 1 if it has one spatial axis."""
    shape = tensor.shape
    return tensor if len(shape) == 4 else view(tensor, tensor.name, (*shape[:2], 1, shape[2]))


def _window(node: ir.Node, shape: Sequence[int], kernel: Sequence[int]) -> dict[str, int]:
    """Group, kernel size, strides, pads before each axis and dilations, as attributes of a kernel."""
    rank = len(kernel)
    strides = integers(node, "strides") or [1] * rank
    dilations = integers(node, "dilations") or [1] * rank
    pads = _pads(node, shape[2:], kernel, strides, dilations)
    if min(pads) < 0:
        raise Unsupported("with negative pads")
    top, left = two(pads, 0)
    return {
        "group": integer(node, "group", 1),
        **height_width("kernel", kernel),
        **height_width("stride", strides),
        "pad_top": top,
        "pad_left": left,
        **height_width("dilation", dilations),
    }


def _pads(
    node: ir.Node, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    """Pads before each spatial axis; those after it follow from the output's shape."""
    auto_pad, rank = text(node, "auto_pad", "NOTSET"), len(kernel)
    if auto_pad in ("NOTSET", "VALID") and integers(node, "output_shape") is None:
        return (integers(node, "pads") or [0] * rank)[:rank]
    output_padding = integers(node, "output_padding") or [0] * rank
    output_sizes = static_shape(node.outputs[0])[2:]
    pads = []
    for size, k, stride, dilation, extra, output_size in zip(
        sizes, kernel, strides, dilations, output_padding, output_sizes, strict=True
    ):
        total = stride * (size - 1) + extra + (k - 1) * dilation + 1 - output_size
        pads.append(total // 2 if auto_pad == "SAME_UPPER" else total - total // 2)
    return pads


LOWERINGS = {"ConvTranspose": OpLowering(lower, to_grid, to_float)}
