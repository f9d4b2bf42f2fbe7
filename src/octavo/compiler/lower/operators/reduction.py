"""ReduceMean, ReduceSum, ReduceMax and ReduceMin, computed in float."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.compiler.kinds import REDUCTIONS, Value
from octavo.compiler.lower.layout import outer_length_inner, own_axis
from octavo.compiler.lower.lowering import Lowering, OpLowering, static_shape
from octavo.compiler.lower.onnx_attributes import integers
from octavo.compiler.lower.values import LoweredValue, Plain, Unsupported
from octavo.compiler.program import Tensor


def reduce(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Reduce over adjacent axes."""
    source = lowering.tensor_any_layout(node.inputs[0])
    onnx_axes = [axis % len(source.shape) for axis in _axes(lowering, node, len(source.shape))]
    if source.channels_last and sorted(onnx_axes) != list(range(2, len(source.shape))):
        source = lowering.layouts.channels_first(source)
    axes = sorted(own_axis(axis, source) for axis in onnx_axes)
    if not axes or axes != list(range(axes[0], axes[-1] + 1)) or source.dtype != np.float32:
        raise Unsupported("over axes that are not adjacent")
    attributes: dict[str, Value] = {
        **outer_length_inner(source.shape, axes[0], axes[-1] + 1),
        "function": node.op_type,
    }
    result = _output(lowering, node, source)
    return Plain(lowering.program.add("ReduceFloat", node.name or "", [source], result, attributes))


def _output(lowering: Lowering, node: ir.Node, source: Tensor) -> Tensor:
    keepdims = len(static_shape(node.outputs[0])) == len(source.shape)
    return lowering.new_output(node, channels_last=source.channels_last and keepdims)


def _axes(lowering: Lowering, node: ir.Node, rank: int) -> list[int]:
    """The axes by attribute or input; all by default."""
    axes = integers(node, "axes")
    if axes is None and lowering.optional_input(node, 1) is not None:
        axes = [int(axis) for axis in lowering.constant_input(node, 1, "axes").array.reshape(-1)]
    return list(range(rank)) if axes is None else axes


LOWERINGS = dict.fromkeys(REDUCTIONS, OpLowering(reduce))
