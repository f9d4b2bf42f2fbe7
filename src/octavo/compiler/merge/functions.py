"""An integer product, its bias, a function of floats and the quantization behind it, piece by piece."""

from __future__ import annotations

import numpy as np

from octavo.compiler.kinds import BINARY
from octavo.compiler.merge.flow import Flow, is_constant
from octavo.compiler.program import Operation, Program, Tensor, constant_tensor


def merge_functions(program: Program) -> None:
    """MatMul to floats, Add of a constant row or none, UnaryFloat, Quantize."""
    flow = Flow(program)
    gone: set[int] = set()
    for operation in program.operations:
        if operation.kind != "Quantize":
            continue
        function = flow.source(operation.inputs[0], "UnaryFloat")
        found = None if function is None else _product(flow, function.inputs[0])
        if function is None or found is None:
            continue
        product, add, bias = found
        operation.kind = "MatMulFunction"
        operation.inputs = [*product.inputs, bias]
        operation.attributes = [*function.attributes, *operation.attributes]
        gone.update(id(each) for each in (function, product, add) if each is not None)
    program.operations[:] = [each for each in program.operations if id(each) not in gone]


def _product(flow: Flow, tensor: Tensor) -> tuple[Operation, Operation | None, Tensor] | None:
    add = flow.source(tensor, "BinaryFloat")
    bias = None if add is None else row_of(add)
    product = flow.source(tensor if add is None else add.inputs[0], "MatMul")
    if product is None or (add is not None and bias is None):
        return None
    width = product.output.shape[-1]
    return product, add, bias or constant_tensor(f"{product.name}_bias", np.zeros(width, np.float32))


def row_of(add: Operation) -> Tensor | None:
    """The constant row that an addition adds to each row of its first operand."""
    row = add.inputs[1]
    fits = is_constant(row) and row.shape == add.output.shape[-1:] and add.inputs[0].shape == add.output.shape
    return row if fits and add.attributes == [BINARY["Add"]] else None
