"""Slice and Pad: integers stay on their grid."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.compiler.lower.attributes import integers, text
from octavo.compiler.lower.facts import Fact, Unsupported
from octavo.compiler.lower.layout import own_axis, reordered
from octavo.compiler.lower.lowering import Lowering, real_array, static_shape
from octavo.compiler.lower.movers import moved_as_it_lies
from octavo.compiler.program import Tensor, float_bits


def cut(lowering: Lowering, node: ir.Node) -> Fact:
    """Every so many elements along each axis."""
    shape = static_shape(node.outputs[0])
    starts = _numbers(lowering, node, 1, "starts") or []
    axes = _numbers(lowering, node, 3, "axes") or list(range(len(starts)))
    steps = _numbers(lowering, node, 4, "steps") or [1] * len(starts)

    def sliced(tensor: Tensor) -> Tensor:
        first, step = [0] * len(shape), [1] * len(shape)
        for axis, start, each in zip(
            (own_axis(axis % len(shape), tensor) for axis in axes), starts, steps, strict=True
        ):
            size = tensor.shape[axis]
            # As Python's slices, but a negative step may begin at the last element at most.
            first[axis] = min(start + size if start < 0 else start, size - (each < 0))
            first[axis], step[axis] = max(first[axis], 0), each
        result = lowering.new(node, tensor.dtype, tensor.params, channels_last=tensor.channels_last)
        return lowering.program.add("Slice", node.name or "", [tensor], result, [*first, *step])

    return moved_as_it_lies(lowering, node, sliced)


def pad(lowering: Lowering, node: ir.Node) -> Fact:
    """The input in the middle of a constant."""
    if text(node, "mode", "constant") != "constant":
        raise Unsupported("by other than a constant")
    shape = static_shape(node.outputs[0])
    given = _numbers(lowering, node, 1, "pads") or []
    axes = [axis % len(shape) for axis in _numbers(lowering, node, 3, "axes") or range(len(shape))]
    if len(given) != 2 * len(axes) or min(given) < 0:
        raise Unsupported("with negative pads")
    before = [0] * len(shape)
    for axis, count in zip(axes, given, strict=False):
        before[axis] = count
    fill = 0.0
    if lowering.given(node, 2) is not None:
        fill = float(real_array(lowering.constant(node, 2, "values")).reshape(-1)[0])

    def padded(tensor: Tensor) -> Tensor:
        if fill != 0.0 and tensor.dtype != np.float32:
            raise Unsupported("of integers by other than zero")
        # The zero point is what stands for 0.
        content = float_bits(fill) if tensor.params is None else int(tensor.params.zero_point) & 0xFF
        result = lowering.new(node, tensor.dtype, tensor.params, channels_last=tensor.channels_last)
        return lowering.program.add("Pad", node.name or "", [tensor], result, [*reordered(before, tensor), content])

    return moved_as_it_lies(lowering, node, padded)


def _numbers(lowering: Lowering, node: ir.Node, index: int, name: str) -> list[int] | None:
    """Numbers of an input or, in old models, of an attribute; None where they are not given."""
    if lowering.given(node, index) is None:
        return integers(node, name)
    return [int(each) for each in lowering.constant(node, index, name).array.reshape(-1)]
