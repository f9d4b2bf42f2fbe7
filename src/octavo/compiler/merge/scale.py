"""A factor behind a product of two activations, as a part of its multiplier."""

from __future__ import annotations

import numpy as np

from octavo.compiler.kinds import BINARY
from octavo.compiler.lower.batch_matmul import MULTIPLIER
from octavo.compiler.merge.flow import Flow, is_constant
from octavo.compiler.program import Operation, Program, bits_float, float_bits


def merge_scales(program: Program) -> None:
    """BatchMatMul to floats times, or over, a constant number."""
    flow = Flow(program)
    gone: set[int] = set()
    for operation in program.operations:
        if operation.kind != "BatchMatMul" or operation.output.dtype != np.float32:
            continue
        scale = flow.reader(operation.output, "BinaryFloat")
        factor = None if scale is None else _factor(scale)
        if scale is None or factor is None:
            continue
        multiplier = np.multiply(bits_float(operation.attributes[MULTIPLIER]), factor, dtype=np.float32)
        operation.attributes[MULTIPLIER] = float_bits(multiplier)
        operation.output = scale.output
        gone.add(id(scale))
    program.operations[:] = [each for each in program.operations if id(each) not in gone]


def _factor(operation: Operation) -> np.float32 | None:
    known = [tensor for tensor in operation.inputs if is_constant(tensor) and tensor.count == 1]
    if len(known) != 1 or known[0].buffer.content is None:
        return None
    number = np.float32(known[0].buffer.content.reshape(())[()])
    if operation.attributes == [BINARY["Mul"]]:
        return number
    divides = operation.attributes == [BINARY["Div"]] and known[0] is operation.inputs[1]
    return np.float32(1) / number if divides else None
