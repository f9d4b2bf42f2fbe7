"""Cast."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.compiler.bundle import DTYPES
from octavo.compiler.lower.lowering import Lowering, OpLowering
from octavo.compiler.lower.movement import identity
from octavo.compiler.lower.onnx_attributes import integer
from octavo.compiler.lower.values import Constant, LoweredValue, Plain, Unsupported


def cast(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Convert to another dtype; a cast to the same dtype shares the buffer."""
    value, to = node.inputs[0], integer(node, "to", 0)
    if value is not None and value.dtype == to:
        return identity(lowering, node)
    dtype = np.dtype(ir.DataType(to).numpy())
    lowered = lowering.lowered(value)
    if isinstance(lowered, Constant):
        return Constant(lowered.values.astype(dtype))
    if dtype not in DTYPES:
        raise Unsupported(f"to {dtype}")
    source = lowering.tensor(value)
    return Plain(lowering.program.add("Cast", node.name or "", [source], lowering.new_output(node, dtype)))


LOWERINGS = {"Cast": OpLowering(cast)}
