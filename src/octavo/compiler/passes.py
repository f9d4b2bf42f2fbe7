"""Program passes: rewrites of a lowered program, with the interface of `onnx_ir.passes`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from octavo.compiler.program import Operation, Program


@dataclass(frozen=True)
class PassResult:
    """The program that a pass returns, and whether the pass modified it."""

    program: Program
    modified: bool


class ProgramPass(Protocol):
    """A rewrite of a program in place."""

    def __call__(self, program: Program) -> PassResult:
        """Run the pass."""
        ...


def without(program: Program, merged: Iterable[Operation]) -> PassResult:
    """The result of a pass that merged these operations into others: the program without them."""
    removed = {id(operation) for operation in merged}
    program.operations[:] = [operation for operation in program.operations if id(operation) not in removed]
    return PassResult(program, modified=bool(removed))
