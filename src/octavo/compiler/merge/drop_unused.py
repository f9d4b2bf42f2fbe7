"""Dead code elimination."""

from __future__ import annotations

from octavo.compiler.passes import PassResult, without
from octavo.compiler.program import Operation, Place, Program


def drop_unused(program: Program) -> PassResult:
    """Remove operations whose result nothing reads, and then those that only they read."""
    needed: set[int] = set()
    unused: list[Operation] = []
    for operation in reversed(program.operations):
        buffer = operation.output.buffer
        if buffer.place is Place.ARENA and id(buffer) not in needed:
            unused.append(operation)
        else:
            needed.update(id(tensor.buffer) for tensor in operation.inputs)
    return without(program, unused)
