"""The memory plan: buffers in one arena, where buffers with disjoint lifetimes may overlap."""

from __future__ import annotations

from dataclasses import dataclass

from octavo.compiler.program import Buffer, Operation, Place

ALIGNMENT = 64


@dataclass
class Lifetime:
    """A buffer, and the indices of the first and last operation that access it."""

    buffer: Buffer
    first: int
    last: int

    def overlaps(self, other: Lifetime) -> bool:
        """Whether both buffers are live at some operation."""
        return self.first <= other.last and other.first <= self.last


def plan_arena(operations: list[Operation]) -> int:
    """Set the offset of every buffer in the arena, from the largest to the smallest, each at the lowest free offset.

    Greedy by size, after Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net Inference".

    Returns:
        The size of the arena in bytes.
    """
    placed: list[Lifetime] = []
    size = 0
    for lifetime in sorted(lifetimes(operations), key=lambda lifetime: -lifetime.buffer.size):
        lifetime.buffer.offset = _lowest_offset(lifetime, placed)
        size = max(size, lifetime.buffer.offset + lifetime.buffer.size)
        placed.append(lifetime)
    return size


def lifetimes(operations: list[Operation]) -> list[Lifetime]:
    """The lifetimes of all buffers in the arena, in the order of their first access."""
    by_buffer: dict[int, Lifetime] = {}
    for index, operation in enumerate(operations):
        for tensor in (operation.output, *operation.inputs):
            if tensor.buffer.place is Place.ARENA:
                lifetime = by_buffer.setdefault(id(tensor.buffer), Lifetime(tensor.buffer, index, index))
                lifetime.last = index
    return list(by_buffer.values())


def aligned(size: int) -> int:
    """`size` rounded up to a cache line."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def _lowest_offset(lifetime: Lifetime, placed: list[Lifetime]) -> int:
    """The lowest offset at which no buffer with an overlapping lifetime is placed."""
    offset = 0
    live = [other.buffer for other in placed if other.overlaps(lifetime)]
    for buffer in sorted(live, key=lambda buffer: buffer.offset):
        if offset + lifetime.buffer.size <= buffer.offset:
            break
        offset = max(offset, aligned(buffer.offset + buffer.size))
    return offset
