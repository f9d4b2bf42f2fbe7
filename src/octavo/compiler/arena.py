"""The memory plan: one arena, in which buffers overlap that are never needed at the same time."""

from __future__ import annotations

from dataclasses import dataclass

from octavo.compiler.program import Buffer, Operation, Place

ALIGNMENT = 64


@dataclass
class Lifetime:
    """A buffer, and the numbers of the first and last operation that touch it."""

    buffer: Buffer
    first: int
    last: int

    def meets(self, other: Lifetime) -> bool:
        """Whether both are needed at some operation."""
        return self.first <= other.last and other.first <= self.last


def plan_arena(operations: list[Operation]) -> int:
    """Give every buffer of the arena its offset, the largest first, each as low as it fits; the arena's size.

    Greedy by size, after Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net Inference".
    """
    placed: list[Lifetime] = []
    size = 0
    for life in sorted(lifetimes(operations), key=lambda life: -life.buffer.size):
        life.buffer.offset = _lowest(life, placed)
        size = max(size, life.buffer.offset + life.buffer.size)
        placed.append(life)
    return size


def lifetimes(operations: list[Operation]) -> list[Lifetime]:
    """Of the buffers of the arena, in the order in which they are first written."""
    found: dict[int, Lifetime] = {}
    for number, operation in enumerate(operations):
        for tensor in (operation.output, *operation.inputs):
            if tensor.buffer.place is Place.ARENA:
                life = found.setdefault(id(tensor.buffer), Lifetime(tensor.buffer, number, number))
                life.last = number
    return list(found.values())


def aligned(size: int) -> int:
    """Rounded up to a cache line."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def _lowest(life: Lifetime, placed: list[Lifetime]) -> int:
    """The lowest offset at which no buffer lies that is needed at the same time."""
    offset = 0
    for other in sorted((each for each in placed if each.meets(life)), key=lambda each: each.buffer.offset):
        if offset + life.buffer.size <= other.buffer.offset:
            break
        offset = max(offset, aligned(other.buffer.offset + other.buffer.size))
    return offset
