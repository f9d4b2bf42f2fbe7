"""Reshape, Flatten, Squeeze, Unsqueeze, Identity and Dropout: the same buffer in another shape."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.compiler.lower.lowering import Lowering, OpLowering, static_shape
from octavo.compiler.lower.movement import identity, move
from octavo.compiler.lower.values import Constant, LoweredValue, Unsupported
from octavo.compiler.program import Tensor, view


def reshape(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """A view of the input in the output's shape."""
    shape, name = static_shape(node.outputs[0]), node.outputs[0].name or ""
    lowered = lowering.lowered(node.inputs[0])
    if isinstance(lowered, Constant):
        return Constant(lowered.values.reshape(shape))

    def reshaped(tensor: Tensor) -> Tensor:
        if tensor.count != int(np.prod(shape)):
            raise Unsupported("to a shape with a different fixed batch size")
        return view(tensor, name, shape)

    return move(lowering, node, reshaped)


LOWERINGS = {
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze"), OpLowering(reshape)),
    **dict.fromkeys(("Identity", "Dropout"), OpLowering(identity)),
}
