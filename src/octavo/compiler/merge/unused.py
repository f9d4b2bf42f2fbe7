"""Operations whose result nothing reads."""

from __future__ import annotations

from octavo.compiler.program import Place, Program


def drop_unused(program: Program) -> None:
    """Remove them, and then what only they read."""
    needed: set[int] = set()
    kept = []
    for operation in reversed(program.operations):
        buffer = operation.output.buffer
        if buffer.place is Place.ARENA and id(buffer) not in needed:
            continue
        needed.update(id(tensor.buffer) for tensor in operation.inputs)
        kept.append(operation)
    program.operations[:] = reversed(kept)
