"""A constant factor behind a GEMM of two activations, as part of its multiplier."""

from __future__ import annotations

import numpy as np

from octavo.compiler.merge.dataflow import Dataflow, is_constant
from octavo.compiler.passes import PassResult, without
from octavo.compiler.program import Operation, Program


def merge_scales(program: Program) -> PassResult:
    """BatchMatMul to float, then Mul or Div by a constant scalar."""
    flow = Dataflow(program)
    merged: list[Operation] = []
    for operation in program.operations:
        if operation.kind != "BatchMatMul" or operation.output.dtype != np.float32:
            continue
        scale = flow.reader(operation.output, "BinaryFloat")
        factor = None if scale is None else _factor(scale)
        if scale is None or factor is None:
            continue
        multiplier = np.multiply(np.float32(operation.real("multiplier")), factor, dtype=np.float32)
        operation.attributes["multiplier"] = float(multiplier)
        operation.output = scale.output
        merged.append(scale)
    return without(program, merged)


def _factor(operation: Operation) -> np.float32 | None:
    constants = [tensor for tensor in operation.inputs if is_constant(tensor) and tensor.count == 1]
    if len(constants) != 1 or constants[0].buffer.content is None:
        return None
    number = np.float32(constants[0].buffer.content.reshape(())[()])
    if operation.attributes == {"function": "Mul"}:
        return number
    divides = operation.attributes == {"function": "Div"} and constants[0] is operation.inputs[1]
    return np.float32(1) / number if divides else None
