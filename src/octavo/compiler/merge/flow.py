"""Who writes and who reads the buffers of a program."""

from __future__ import annotations

from octavo.compiler.program import Operation, Place, Program, Tensor


class Flow:
    """The operations of a program by the buffers that they write and read. It is not kept up to date."""

    def __init__(self, program: Program) -> None:
        self._writers: dict[int, list[Operation]] = {}
        self._readers: dict[int, list[Operation]] = {}
        for operation in program.operations:
            self._writers.setdefault(id(operation.output.buffer), []).append(operation)
            for tensor in operation.inputs:
                self._readers.setdefault(id(tensor.buffer), []).append(operation)

    def writer(self, tensor: Tensor, *kinds: str) -> Operation | None:
        """The one operation of one of these kinds that writes all of the tensor."""
        found = self._writers.get(id(tensor.buffer), [])
        return found[0] if len(found) == 1 and found[0].kind in kinds else None

    def source(self, tensor: Tensor, *kinds: str) -> Operation | None:
        """As `writer`, where nothing else reads what it writes."""
        found = self.writer(tensor, *kinds)
        return found if found is not None and self.is_private(tensor) else None

    def reader(self, tensor: Tensor, *kinds: str) -> Operation | None:
        """The one operation that reads the tensor's buffer, if it is of one of these kinds."""
        found = self._readers.get(id(tensor.buffer), [])
        return found[0] if len(found) == 1 and self.is_private(tensor) and found[0].kind in kinds else None

    def is_private(self, tensor: Tensor) -> bool:
        """Whether one operation reads the tensor, once, and nobody outside does."""
        return tensor.buffer.place is Place.ARENA and len(self._readers.get(id(tensor.buffer), [])) == 1


def is_constant(tensor: Tensor) -> bool:
    """Whether its numbers are known."""
    return tensor.buffer.place is Place.CONSTANT
