"""Pad with a constant."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.compiler.kinds import Value
from octavo.compiler.lower.layout import reordered
from octavo.compiler.lower.lowering import Lowering, OpLowering, static_shape
from octavo.compiler.lower.movement import input_or_attribute, move_any_layout
from octavo.compiler.lower.onnx_attributes import text
from octavo.compiler.lower.values import LoweredValue, Unsupported
from octavo.compiler.program import Tensor, float_bits


def pad(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Pad each axis; quantized tensors with their zero point."""
    if text(node, "mode", "constant") != "constant":
        raise Unsupported("in a mode other than constant")
    shape = static_shape(node.outputs[0])
    pads = input_or_attribute(lowering, node, 1, "pads") or []
    axes = [axis % len(shape) for axis in input_or_attribute(lowering, node, 3, "axes") or range(len(shape))]
    if len(pads) != 2 * len(axes) or min(pads) < 0:
        raise Unsupported("with negative pads")
    before = [0] * len(shape)
    for axis, count in zip(axes, pads, strict=False):
        before[axis] = count
    fill = 0.0
    if lowering.optional_input(node, 2) is not None:
        fill = float(lowering.constant_input(node, 2, "values").values.reshape(-1)[0])

    def padded(tensor: Tensor) -> Tensor:
        if fill != 0.0 and tensor.dtype != np.float32:
            raise Unsupported("of integers with a value other than zero")
        content = float_bits(fill) if tensor.params is None else int(tensor.params.zero_point) & 0xFF
        result = lowering.new_output(node, tensor.dtype, tensor.params, channels_last=tensor.channels_last)
        attributes: dict[str, Value] = {"before": reordered(before, tensor), "value": content}
        return lowering.program.add("Pad", node.name or "", [tensor], result, attributes)

    return move_any_layout(lowering, node, padded)


LOWERINGS = {"Pad": OpLowering(pad)}
