"""Arithmetic on two tensors, on their grids or on floats."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.affine import QuantParams
from octavo.compiler.kinds import BINARY
from octavo.compiler.lower.facts import Fact, Pending, Real, Unsupported
from octavo.compiler.lower.layout import channels_last_order
from octavo.compiler.lower.lowering import Lowering, like, real_array, static_shape
from octavo.compiler.lower.target import Target
from octavo.compiler.program import Tensor, constant_tensor


def join(lowering: Lowering, node: ir.Node) -> Fact:
    """Add and Mul of two tensors on grids wait for their result's grid; the rest is float."""
    on_grids = all(lowering.on_grid_as_it_lies(value) is not None for value in node.inputs)
    return Pending(node) if on_grids and node.op_type in ("Add", "Mul") else finish_join(lowering, node)


def finish_join(lowering: Lowering, node: ir.Node) -> Fact:
    """On floats."""
    inputs = _in_one_layout(lowering, node, [lowering.real_as_it_lies(value) for value in node.inputs])
    if any(tensor.dtype != np.float32 for tensor in inputs):
        raise Unsupported(f"of {inputs[0].dtype} and {inputs[-1].dtype}")
    kind = [BINARY[node.op_type]]
    return Real(lowering.program.add("BinaryFloat", node.name or "", inputs, _result(lowering, node, inputs), kind))


def integer_join(lowering: Lowering, node: ir.Node, target: Target) -> Tensor | None:
    """From two grids to a third."""
    grids = [lowering.on_grid_as_it_lies(value) for value in node.inputs]
    tensors = _in_one_layout(lowering, node, [grid.tensor for grid in grids if grid is not None])
    result = _result(lowering, node, tensors, target.params)
    return lowering.program.add(node.op_type, node.name or "", tensors, result, target.bounds)


def batch_normalization(lowering: Lowering, node: ir.Node) -> Fact:
    """As a product and a sum; float, since what could be folded was folded before."""
    scale, shift, mean, variance = (
        real_array(lowering.constant(node, index, "statistics")).astype(np.float64) for index in range(1, 5)
    )
    epsilon = node.attributes.get("epsilon")
    factor = scale / np.sqrt(variance + (1e-5 if epsilon is None else epsilon.as_float()))
    source, name = lowering.real_as_it_lies(node.inputs[0]), node.name or ""
    shape = (-1,) if source.channels_last else (-1, *[1] * (len(source.shape) - 2))
    middle = like(source, source.name)
    for kind, values, start, end in (
        ("Mul", factor, source, middle),
        ("Add", shift - mean * factor, middle, like(source, node.outputs[0].name or "")),
    ):
        operand = constant_tensor(f"{name}_{kind}", values.astype(np.float32).reshape(shape))
        source = lowering.program.add("BinaryFloat", name, [start, operand], end, [BINARY[kind]])
    return Real(source)


def _in_one_layout(lowering: Lowering, node: ir.Node, operands: list[Tensor]) -> list[Tensor]:
    """Channels last if some are and all can be; else with ONNX's axes."""
    rank = len(static_shape(node.outputs[0]))
    if not any(tensor.channels_last for tensor in operands):
        return operands
    if any(len(tensor.shape) != rank and tensor.buffer.content is None for tensor in operands):
        return [lowering.layouts.channels_first(tensor) for tensor in operands]
    return [_image(lowering, tensor, rank) for tensor in operands]


def _image(lowering: Lowering, tensor: Tensor, rank: int) -> Tensor:
    content = tensor.buffer.content
    if tensor.channels_last or content is None:
        return lowering.layouts.channels_last(tensor)
    full = content.reshape(*[1] * (rank - len(tensor.shape)), *tensor.shape)
    made = constant_tensor(tensor.name, full.transpose(channels_last_order(rank)), tensor.params)
    made.channels_last = True
    return made


def _result(lowering: Lowering, node: ir.Node, operands: list[Tensor], params: QuantParams | None = None) -> Tensor:
    dtype = np.float32 if params is None else params.grid.numpy_dtype
    return lowering.new(node, dtype, params, channels_last=any(tensor.channels_last for tensor in operands))
