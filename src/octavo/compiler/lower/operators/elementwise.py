"""Elementwise arithmetic on two tensors: quantized, float, or of integers that are not quantized."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.affine import QuantParams
from octavo.compiler.kinds import INTEGER
from octavo.compiler.lower.layout import channels_last_order
from octavo.compiler.lower.lowering import Lowering, OpLowering, static_shape
from octavo.compiler.lower.operators.logical import binary_integer
from octavo.compiler.lower.target import Target, bounds_of
from octavo.compiler.lower.values import Constant, Deferred, LoweredValue, Plain, Unsupported
from octavo.compiler.program import Tensor, constant_tensor

_INTEGERS = (ir.DataType.INT32, ir.DataType.INT64)


def arithmetic(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Add, Sub, Mul and Div; an Add or Mul of two quantized tensors is deferred."""
    if node.outputs[0].dtype in _INTEGERS:
        return _integer(lowering, node)
    quantized = all(lowering.quantized_any_layout(value) is not None for value in node.inputs)
    return Deferred(node) if quantized and node.op_type in ("Add", "Mul") else to_float(lowering, node)


def max_min_pow(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Max, Min and Pow of two operands; a power of 2 is a product."""
    if node.outputs[0].dtype in _INTEGERS:
        return _integer(lowering, node)
    if len(node.inputs) != 2:
        raise Unsupported(f"of {len(node.inputs)} inputs")
    exponent = lowering.lowered(node.inputs[1]) if node.op_type == "Pow" else None
    if isinstance(exponent, Constant) and exponent.array.size == 1 and float(exponent.array.reshape(-1)[0]) == 2.0:
        source = lowering.tensor(node.inputs[0])
        result = lowering.new_output(node)
        return Plain(_float_function(lowering, node, "Mul", [source, source], result))
    return to_float(lowering, node)


def to_float(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Float arithmetic."""
    inputs = _same_layout(lowering, node, [lowering.tensor_any_layout(value) for value in node.inputs])
    if any(tensor.dtype != np.float32 for tensor in inputs):
        raise Unsupported(f"of {inputs[0].dtype} and {inputs[-1].dtype}")
    return Plain(_float_function(lowering, node, node.op_type, inputs, _output(lowering, node, inputs)))


def to_grid(lowering: Lowering, node: ir.Node, target: Target) -> Tensor | None:
    """Add or Mul of two quantized tensors, requantized to the output grid."""
    operands = [lowering.quantized_any_layout(value) for value in node.inputs]
    tensors = _same_layout(lowering, node, [operand.tensor for operand in operands if operand is not None])
    result = _output(lowering, node, tensors, target.params)
    return lowering.program.add(node.op_type, node.name or "", tensors, result, bounds_of(target))


def _float_function(lowering: Lowering, node: ir.Node, function: str, inputs: list[Tensor], result: Tensor) -> Tensor:
    return lowering.program.add("BinaryFloat", node.name or "", inputs, result, {"function": function})


def _integer(lowering: Lowering, node: ir.Node) -> LoweredValue:
    if node.op_type not in INTEGER or len(node.inputs) != 2:
        dtype = node.outputs[0].dtype
        raise Unsupported(f"of {'' if dtype is None else dtype.name.lower()}")
    return binary_integer(lowering, node)


def _same_layout(lowering: Lowering, node: ir.Node, operands: list[Tensor]) -> list[Tensor]:
    """The operands in one layout: channels last if any is and all can be, else ONNX's axis order."""
    rank = len(static_shape(node.outputs[0]))
    if not any(tensor.channels_last for tensor in operands):
        return operands
    if any(len(tensor.shape) != rank and tensor.buffer.content is None for tensor in operands):
        return [lowering.layouts.channels_first(tensor) for tensor in operands]
    return [_channels_last(lowering, tensor, rank) for tensor in operands]


def _channels_last(lowering: Lowering, tensor: Tensor, rank: int) -> Tensor:
    """The tensor channels last; a constant is padded to `rank` axes and transposed at compile time."""
    content = tensor.buffer.content
    if tensor.channels_last or content is None:
        return lowering.layouts.channels_last(tensor)
    padded = content.reshape(*[1] * (rank - len(tensor.shape)), *tensor.shape)
    constant = constant_tensor(tensor.name, padded.transpose(channels_last_order(rank)), tensor.params)
    constant.channels_last = True
    return constant


def _output(lowering: Lowering, node: ir.Node, operands: list[Tensor], params: QuantParams | None = None) -> Tensor:
    dtype = np.float32 if params is None else params.grid.numpy_dtype
    return lowering.new_output(node, dtype, params, channels_last=any(tensor.channels_last for tensor in operands))


LOWERINGS = {
    **dict.fromkeys(("Add", "Mul"), OpLowering(arithmetic, to_grid, to_float)),
    **dict.fromkeys(("Sub", "Div"), OpLowering(arithmetic)),
    **dict.fromkeys(("Max", "Min", "Pow"), OpLowering(max_min_pow)),
}
