"""Transpose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from octavo.compiler.lower.layout import channels_first, own_axis
from octavo.compiler.lower.lowering import Lowering, OpLowering, static_shape
from octavo.compiler.lower.movement import move_any_layout
from octavo.compiler.lower.onnx_attributes import integers
from octavo.compiler.lower.values import Constant, LoweredValue
from octavo.compiler.program import Tensor, view


def transpose(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Permute the axes; a view if only axes of length 1 move."""
    lowered = lowering.lowered(node.inputs[0])
    perm = integers(node, "perm")
    if isinstance(lowered, Constant):
        return Constant(np.transpose(lowered.values, perm))
    shape = static_shape(node.outputs[0])

    def transposed(tensor: Tensor) -> Tensor:
        order = [own_axis(axis, tensor) for axis in perm or list(range(len(tensor.shape)))[::-1]]
        if not tensor.channels_last and channels_first(order):
            # Data that is already channels last is only relabelled; it is moved if a consumer needs ONNX's axis order.
            return replace(view(tensor, node.outputs[0].name or "", tensor.shape), channels_last=True)
        moved = [axis for axis in order if tensor.shape[axis] != 1]
        if moved == sorted(moved):
            return view(tensor, node.outputs[0].name or "", shape)
        result = lowering.new_output(node, tensor.dtype, tensor.params)
        return lowering.program.add("Transpose", node.name or "", [tensor], result, {"perm": order})

    return move_any_layout(lowering, node, transposed)


LOWERINGS = {"Transpose": OpLowering(transpose)}
