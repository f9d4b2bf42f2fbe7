"""Transpositions around products of two activations, as other steps through the same memory."""

from __future__ import annotations

from octavo.compiler.lower.batch_matmul import A_ROW, AXES, AXIS, B_COLUMN, B_K, C_ROW, strides
from octavo.compiler.merge.flow import Flow
from octavo.compiler.program import Operation, Program, Tensor


def merge_transposes(program: Program) -> None:
    """Read what was to be turned where it lies, and write results as they are turned next."""
    flow = Flow(program)
    gone: set[int] = set()
    for operation in program.operations:
        if operation.kind != "BatchMatMul":
            continue
        for index in (0, 1):
            turn = flow.writer(operation.inputs[index], "Transpose")
            if turn is not None and turn.output.shape == operation.inputs[index].shape:
                _read_before(operation, index, turn)
        turn = flow.reader(operation.output, "Transpose")
        if turn is not None and turn.inputs[0].shape == operation.output.shape and _write_behind(operation, turn):
            gone.add(id(turn))
    program.operations[:] = [each for each in program.operations if id(each) not in gone]


def _read_before(operation: Operation, index: int, turn: Operation) -> None:
    before = turn.inputs[0]
    steps = [strides(before.shape)[axis] for axis in turn.attributes]
    row, column = steps[-2:]
    if index == 0 and column != 1:
        return
    tensor = operation.inputs[index]
    # The grid is the tensor's own: it may have been said behind the transposition.
    operation.inputs[index] = Tensor(tensor.name, before.dtype, before.shape, before.buffer, tensor.params)
    if index == 0:
        operation.attributes[A_ROW] = row
    else:
        operation.attributes[B_K], operation.attributes[B_COLUMN] = row, column
    sizes = operation.attributes[AXES::AXIS][-(len(steps) - 2) :] if len(steps) > 2 else []
    # Zero where the tensor is stretched.
    kept = [step if own == size else 0 for own, size, step in zip(tensor.shape, sizes, steps, strict=False)]
    _set_steps(operation, 1 + index, kept)


def _write_behind(operation: Operation, turn: Operation) -> bool:
    order = turn.attributes
    if order[-1] != len(order) - 1:
        return False
    behind = strides(turn.output.shape)
    steps = [behind[order.index(axis)] for axis in range(len(order))]
    operation.attributes[C_ROW] = steps[-2]
    _set_steps(operation, 3, steps[:-2])
    operation.output = turn.output
    return True


def _set_steps(operation: Operation, operand: int, steps: list[int]) -> None:
    """Of the leading axes of an operand, which may be fewer than those of the result."""
    axes = (len(operation.attributes) - AXES) // AXIS
    for axis, step in enumerate([0] * (axes - len(steps)) + steps):
        operation.attributes[AXES + axis * AXIS + operand] = step
