"""Transposes around a GEMM of two activations, as other strides."""

from __future__ import annotations

from octavo.compiler.lower.batch_matmul import strides
from octavo.compiler.merge.dataflow import Dataflow
from octavo.compiler.passes import PassResult, without
from octavo.compiler.program import Operation, Program, Tensor


def merge_transposes(program: Program) -> PassResult:
    """Let BatchMatMul read its operands and write its result transposed."""
    flow = Dataflow(program)
    merged: list[Operation] = []
    modified = False
    for operation in program.operations:
        if operation.kind != "BatchMatMul":
            continue
        for index in (0, 1):
            transpose = flow.writer(operation.inputs[index], "Transpose")
            if transpose is not None and transpose.output.shape == operation.inputs[index].shape:
                modified |= _merge_operand(operation, index, transpose)
        transpose = flow.reader(operation.output, "Transpose")
        if (
            transpose is not None
            and transpose.inputs[0].shape == operation.output.shape
            and _merge_result(operation, transpose)
        ):
            merged.append(transpose)
    result = without(program, merged)
    return PassResult(program, modified or result.modified)


def _merge_operand(operation: Operation, index: int, transpose: Operation) -> bool:
    """Read operand `index` from the transpose's input; False if its rows are not contiguous there."""
    before = transpose.inputs[0]
    steps = [strides(before.shape)[axis] for axis in transpose.integers("perm")]
    row, column = steps[-2:]
    if index == 0 and column != 1:
        return False
    tensor = operation.inputs[index]
    # The parameters are the operand's own: they may be attached behind the transpose.
    operation.inputs[index] = Tensor(tensor.name, before.dtype, before.shape, before.buffer, tensor.params)
    if index == 0:
        operation.attributes["a_row_stride"] = row
    else:
        operation.attributes |= {"b_k_stride": row, "b_n_stride": column}
    sizes = operation.integers("batch_size")[-(len(steps) - 2) :] if len(steps) > 2 else []
    # Zero along broadcast axes.
    batch_strides = [step if own == size else 0 for own, size, step in zip(tensor.shape, sizes, steps, strict=False)]
    _set_batch_strides(operation, "ab"[index], batch_strides)
    return True


def _merge_result(operation: Operation, transpose: Operation) -> bool:
    """Write the transpose's output; False if its rows are not contiguous."""
    order = transpose.integers("perm")
    if order[-1] != len(order) - 1:
        return False
    behind = strides(transpose.output.shape)
    steps = [behind[order.index(axis)] for axis in range(len(order))]
    operation.attributes["c_row_stride"] = steps[-2]
    _set_batch_strides(operation, "c", steps[:-2])
    operation.output = transpose.output
    return True


def _set_batch_strides(operation: Operation, operand: str, steps: list[int]) -> None:
    """Set an operand's batch strides; missing leading axes are broadcast."""
    missing = len(operation.integers("batch_size")) - len(steps)
    operation.attributes[f"{operand}_batch_stride"] = [0] * missing + steps
