"""An integer GEMM to float, a bias, a unary function and the quantization of its result, as one operation."""

from __future__ import annotations

import numpy as np

from octavo.compiler.merge.dataflow import Dataflow, is_constant
from octavo.compiler.passes import PassResult, without
from octavo.compiler.program import Operation, Program, Tensor, constant_tensor


def merge_matmul_functions(program: Program) -> PassResult:
    """MatMul to float, optionally Add of a constant row, UnaryFloat, Quantize."""
    flow = Dataflow(program)
    merged: list[Operation] = []
    for operation in program.operations:
        if operation.kind != "Quantize":
            continue
        function = flow.source(operation.inputs[0], "UnaryFloat")
        parts = None if function is None else _product(flow, function.inputs[0])
        if function is None or parts is None:
            continue
        product, add, bias = parts
        operation.kind = "MatMulFunction"
        operation.inputs = [*product.inputs, bias]
        operation.attributes = {**function.attributes, **operation.attributes}
        merged += [part for part in (function, product, add) if part is not None]
    return without(program, merged)


def _product(flow: Dataflow, tensor: Tensor) -> tuple[Operation, Operation | None, Tensor] | None:
    add = flow.source(tensor, "BinaryFloat")
    bias = None if add is None else constant_row(add)
    product = flow.source(tensor if add is None else add.inputs[0], "MatMul")
    if product is None or (add is not None and bias is None):
        return None
    width = product.output.shape[-1]
    return product, add, bias or constant_tensor(f"{product.name}_bias", np.zeros(width, np.float32))


def constant_row(add: Operation) -> Tensor | None:
    """The constant row that an Add adds to every row of its first operand; else None."""
    row = add.inputs[1]
    fits = is_constant(row) and row.shape == add.output.shape[-1:] and add.inputs[0].shape == add.output.shape
    return row if fits and add.attributes == {"function": "Add"} else None
