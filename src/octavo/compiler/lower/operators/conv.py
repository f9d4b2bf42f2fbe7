"""Conv: integer kernels with quantized constant weights, else float."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.compiler.lower import weight_zero_points
from octavo.compiler.lower.linear import add_float_bias, named_constants, output_of, packed_constants, quantized_linear
from octavo.compiler.lower.lowering import Lowering, OpLowering
from octavo.compiler.lower.onnx_attributes import integer
from octavo.compiler.lower.target import Target, bounds_of
from octavo.compiler.lower.values import Deferred, LoweredValue, Plain
from octavo.compiler.lower.window import check_image, height_width, two, window
from octavo.compiler.program import Tensor, constant_tensor

# Up to this many channels the kernel reads images channels first: it copies them anyway.
_MAX_PLANAR_CHANNELS = 4
# Each window row of the packed weights is padded to a multiple of this many elements of k.
_ROW_MULTIPLE = 8


def lower(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Deferred if it can run on integers."""
    if weight_zero_points.layer_of(lowering, node, to_grid=False) is not None:
        return Deferred(node)
    if quantized_linear(lowering, node, 0, to_grid=False) is not None:
        return Deferred(node)
    return Plain(_float_conv(lowering, node))


def to_grid(lowering: Lowering, node: ir.Node, target: Target) -> Tensor | None:
    """Integer convolution, requantized to the output grid."""
    layer = weight_zero_points.layer_of(lowering, node, to_grid=True)
    if layer is not None:
        return weight_zero_points.emit(lowering, node, layer, target)
    return _integer_conv(lowering, node, target)


def to_float(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Integer convolution with float output."""
    layer = weight_zero_points.layer_of(lowering, node, to_grid=False)
    if layer is not None:
        return Plain(weight_zero_points.emit(lowering, node, layer, None))
    result = _integer_conv(lowering, node, None)
    assert result is not None  # the node was deferred because it can run on integers
    return Plain(result)


def _integer_conv(lowering: Lowering, node: ir.Node, target: Target | None) -> Tensor | None:
    layer = quantized_linear(lowering, node, 0, to_grid=target is not None)
    if layer is None:
        return None
    source, weights, group = layer.source.tensor, layer.weights, integer(node, "group", 1)
    check_image(source)
    name, result = node.name or "", output_of(lowering, node, target, channels_last=True)
    planar = not source.channels_last and 1 < source.shape[1] <= _MAX_PLANAR_CHANNELS and group == 1
    if not planar:
        source = lowering.layouts.channels_last(source)
    sizes = source.shape[2:] if planar else source.shape[1:-1]
    moves, kernel = window(node, sizes, weights.shape[2:]), two(weights.shape[2:])
    bounds = bounds_of(target)
    multiplier = layer.multiplier(target)
    if weights.shape[1] == 1 and group > 1 and weights.shape[0] == group:
        taps = weights.reshape(group, *kernel).transpose(1, 2, 0)
        sums = weights.reshape(group, -1).sum(axis=1, dtype=np.int32)
        inputs = [source, *named_constants(name, [taps, sums, layer.bias, multiplier])]
        lowering.program.add("DepthwiseConv", name, inputs, result, {**moves, **bounds})
    else:
        matrices = _gemm_weights(
            weights.reshape(group, -1, weights.shape[1], *kernel), dilated=moves["dilation_w"] != 1
        )
        inputs = [source, *packed_constants(lowering, name, layer, matrices, multiplier)]
        size = height_width("kernel", kernel)
        attributes = {"group": group, **size, **moves, "planar": planar, **bounds}
        lowering.program.add("Conv", name, inputs, result, attributes)
    return add_float_bias(lowering, name, result, layer)


def _gemm_weights(weights: NDArray[np.int8], *, dilated: bool) -> NDArray[np.int8]:
    """Weights (groups, N, C, H, W) as matrices (groups, K, N); `kernels.h` specifies the order and padding of k."""
    groups, n, _, height, width = weights.shape
    rows = weights.transpose(0, 3, 4, 2, 1).reshape(groups, height * width if dilated else height, -1, n)
    padded = np.zeros((*rows.shape[:2], -(-rows.shape[2] // _ROW_MULTIPLE) * _ROW_MULTIPLE, n), np.int8)
    padded[:, :, : rows.shape[2]] = rows
    return padded.reshape(groups, -1, n)


def _float_conv(lowering: Lowering, node: ir.Node) -> Tensor:
    source = lowering.layouts.channels_last(lowering.tensor_any_layout(node.inputs[0]))
    check_image(source)
    weights = lowering.constant_input(node, 1, "weights").values
    kernel, group = two(weights.shape[2:]), integer(node, "group", 1)
    rows = weights.reshape(group, -1, weights.shape[1], *kernel).transpose(0, 3, 4, 2, 1)
    bias = np.zeros(len(weights), np.float32)
    if lowering.optional_input(node, 2) is not None:
        bias = lowering.constant_input(node, 2, "biases").floats
    moves, name = window(node, source.shape[1:-1], weights.shape[2:]), node.name or ""
    constants = [
        constant_tensor(f"{name}_weights", rows.astype(np.float32).reshape(-1, rows.shape[-1])),
        constant_tensor(f"{name}_bias", bias),
    ]
    attributes = {"group": group, **height_width("kernel", kernel), **moves}
    result = lowering.new_output(node, channels_last=True)
    return lowering.program.add("ConvFloat", name, [source, *constants], result, attributes)


LOWERINGS = {"Conv": OpLowering(lower, to_grid, to_float)}
