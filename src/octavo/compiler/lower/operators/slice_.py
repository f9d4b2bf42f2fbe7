"""Slice."""

from __future__ import annotations

import onnx_ir as ir

from octavo.compiler.lower.layout import own_axis
from octavo.compiler.lower.lowering import Lowering, OpLowering, static_shape
from octavo.compiler.lower.movement import input_or_attribute, move_any_layout
from octavo.compiler.lower.values import LoweredValue
from octavo.compiler.program import Tensor


def slice_(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Elements at a start and a step along each axis."""
    shape = static_shape(node.outputs[0])
    starts = input_or_attribute(lowering, node, 1, "starts") or []
    axes = input_or_attribute(lowering, node, 3, "axes") or list(range(len(starts)))
    steps = input_or_attribute(lowering, node, 4, "steps") or [1] * len(starts)

    def sliced(tensor: Tensor) -> Tensor:
        first, stride = [0] * len(shape), [1] * len(shape)
        own_axes = [own_axis(axis % len(shape), tensor) for axis in axes]
        for axis, start, step in zip(own_axes, starts, steps, strict=True):
            size = tensor.shape[axis]
            # Clamped as in Python, but a negative step starts at the last element at most.
            from_front = min(start + size if start < 0 else start, size - (step < 0))
            first[axis], stride[axis] = max(from_front, 0), step
        result = lowering.new_output(node, tensor.dtype, tensor.params, channels_last=tensor.channels_last)
        return lowering.program.add("Slice", node.name or "", [tensor], result, {"start": first, "step": stride})

    return move_any_layout(lowering, node, sliced)


LOWERINGS = {"Slice": OpLowering(slice_)}
