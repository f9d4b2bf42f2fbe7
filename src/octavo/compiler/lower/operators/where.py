"""Where."""

from __future__ import annotations

import onnx_ir as ir

from octavo.compiler.lower.lowering import Lowering, OpLowering, same_dtype_inputs
from octavo.compiler.lower.values import LoweredValue, Plain


def where(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Select elements from one of two tensors."""
    condition = lowering.tensor(node.inputs[0])
    inputs = same_dtype_inputs(lowering, node.inputs[1:])
    result = lowering.new_output(node, inputs[0].dtype)
    return Plain(lowering.program.add("Where", node.name or "", [condition, *inputs], result))


LOWERINGS = {"Where": OpLowering(where)}
