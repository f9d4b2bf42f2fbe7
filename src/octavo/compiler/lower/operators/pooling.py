"""Max and average pooling over windows or whole images."""

from __future__ import annotations

from math import prod

import onnx_ir as ir

from octavo.compiler.lower.lowering import Lowering, OpLowering
from octavo.compiler.lower.onnx_attributes import integer, integers
from octavo.compiler.lower.target import Target, bounds_of
from octavo.compiler.lower.values import Deferred, LoweredValue, Plain, Quantized, Unsupported
from octavo.compiler.lower.window import check_image, height_width, window
from octavo.compiler.program import Tensor, view

_GLOBAL_WINDOW = {
    "stride_h": 1,
    "stride_w": 1,
    "pad_top": 0,
    "pad_left": 0,
    "pad_bottom": 0,
    "pad_right": 0,
    "dilation_h": 1,
    "dilation_w": 1,
}


def max_pool(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Quantized inputs keep their parameters: quantization is monotonic, so the maximum is the same."""
    if any(output.name for output in node.outputs[1:]):
        raise Unsupported("with an indices output")
    quantized = lowering.quantized_any_layout(node.inputs[0])
    source = lowering.tensor_any_layout(node.inputs[0]) if quantized is None else quantized.tensor
    kernel_input, attributes = _window(lowering, node, source)
    params = None if quantized is None else quantized.params
    result = lowering.new_output(node, source.dtype, params, channels_last=True)
    output = _kernel_output(result, kernel_input)
    lowering.program.add("MaxPool", node.name or "", [kernel_input], output, attributes)
    return Plain(result) if params is None else Quantized(result, params)


def average_pool(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Deferred if the input is quantized."""
    return to_float(lowering, node) if lowering.quantized_any_layout(node.inputs[0]) is None else Deferred(node)


def to_float(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Float average pooling."""
    source = lowering.tensor_any_layout(node.inputs[0])
    return Plain(_average(lowering, node, source, lowering.new_output(node, channels_last=True), None))


def to_grid(lowering: Lowering, node: ir.Node, target: Target) -> Tensor | None:
    """Average pooling of integers, requantized to the output grid."""
    quantized = lowering.quantized_any_layout(node.inputs[0])
    if quantized is None:
        return None
    result = lowering.new_output(node, target.params.grid.numpy_dtype, target.params, channels_last=True)
    return _average(lowering, node, quantized.tensor, result, target)


def _average(lowering: Lowering, node: ir.Node, source: Tensor, result: Tensor, target: Target | None) -> Tensor:
    kernel_input, attributes = _window(lowering, node, source)
    attributes |= {"count_include_pad": integer(node, "count_include_pad", 0), **bounds_of(target)}
    output = _kernel_output(result, kernel_input)
    lowering.program.add("AveragePool", node.name or "", [kernel_input], output, attributes)
    return result


def _window(lowering: Lowering, node: ir.Node, source: Tensor) -> tuple[Tensor, dict[str, int]]:
    """The kernel's input and attributes; global pooling is a window over one flattened spatial axis."""
    image = lowering.layouts.channels_last(source)
    if node.op_type.startswith("Global"):
        length = prod(image.shape[1:-1])
        flat = view(image, source.name, (image.shape[0], length, image.shape[-1]))
        return flat, {**height_width("kernel", [length]), **_GLOBAL_WINDOW}
    check_image(source)
    kernel = integers(node, "kernel_shape") or []
    return image, {**height_width("kernel", kernel), **window(node, image.shape[1:-1], kernel)}


def _kernel_output(result: Tensor, kernel_input: Tensor) -> Tensor:
    """The result with as many axes as the kernel's input."""
    if len(result.shape) == len(kernel_input.shape):
        return result
    return view(result, result.name, (result.shape[0], 1, result.shape[-1]))


LOWERINGS = {
    **dict.fromkeys(("MaxPool", "GlobalMaxPool"), OpLowering(max_pool)),
    **dict.fromkeys(("AveragePool", "GlobalAveragePool"), OpLowering(average_pool, to_grid, to_float)),
}
