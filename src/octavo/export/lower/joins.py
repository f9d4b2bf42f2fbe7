"""Arithmetic on two tensors, on their grids or on floats."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.export.kinds import BINARY
from octavo.export.lower.facts import Fact, Pending, Real, Unsupported
from octavo.export.lower.lowering import Lowering, real_array
from octavo.export.lower.target import Target
from octavo.export.program import Tensor, constant_tensor


def join(lowering: Lowering, node: ir.Node) -> Fact:
    """Add and Mul of two tensors on grids wait for their result's grid; the rest is float."""
    on_grids = all(lowering.on_grid(value) is not None for value in node.inputs)
    return Pending(node) if on_grids and node.op_type in ("Add", "Mul") else finish_join(lowering, node)


def finish_join(lowering: Lowering, node: ir.Node) -> Fact:
    """On floats."""
    inputs = [lowering.real(value) for value in node.inputs]
    if any(tensor.dtype != np.float32 for tensor in inputs):
        raise Unsupported(f"of {inputs[0].dtype} and {inputs[-1].dtype}")
    kind = [BINARY[node.op_type]]
    return Real(lowering.program.add("BinaryFloat", node.name or "", inputs, lowering.new(node), kind))


def integer_join(lowering: Lowering, node: ir.Node, target: Target) -> Tensor | None:
    """From two grids to a third."""
    grids = [lowering.on_grid(value) for value in node.inputs]
    tensors = [grid.tensor for grid in grids if grid is not None]
    result = lowering.new(node, target.params.grid.numpy_dtype, target.params)
    return lowering.program.add(node.op_type, node.name or "", tensors, result, target.bounds)


def batch_normalization(lowering: Lowering, node: ir.Node) -> Fact:
    """As a product and a sum; float, since what could be folded was folded before."""
    scale, shift, mean, variance = (
        real_array(lowering.constant(node, index, "statistics")).astype(np.float64) for index in range(1, 5)
    )
    epsilon = node.attributes.get("epsilon")
    factor = scale / np.sqrt(variance + (1e-5 if epsilon is None else epsilon.as_float()))
    source, name = lowering.real(node.inputs[0]), node.name or ""
    shape = (-1, *[1] * (len(source.shape) - 2))
    middle = lowering.new(node)
    for kind, values, start, end in (
        ("Mul", factor, source, middle),
        ("Add", shift - mean * factor, middle, lowering.new(node)),
    ):
        operand = constant_tensor(f"{name}_{kind}", values.astype(np.float32).reshape(shape))
        source = lowering.program.add("BinaryFloat", name, [start, operand], end, [BINARY[kind]])
    return Real(source)
