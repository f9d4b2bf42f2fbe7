"""Writers and readers of the buffers of a program."""

from __future__ import annotations

from octavo.compiler.program import Operation, Place, Program, Tensor


class Dataflow:
    """The operations of a program by the buffers they write and read, as of its construction."""

    def __init__(self, program: Program) -> None:
        self._writers: dict[int, list[Operation]] = {}
        self._readers: dict[int, list[Operation]] = {}
        for operation in program.operations:
            self._writers.setdefault(id(operation.output.buffer), []).append(operation)
            for tensor in operation.inputs:
                self._readers.setdefault(id(tensor.buffer), []).append(operation)

    def writer(self, tensor: Tensor, *kinds: str) -> Operation | None:
        """The only operation that writes the tensor's buffer, if it is of one of these kinds."""
        writers = self._writers.get(id(tensor.buffer), [])
        return writers[0] if len(writers) == 1 and writers[0].kind in kinds else None

    def source(self, tensor: Tensor, *kinds: str) -> Operation | None:
        """Same as `writer`, if the buffer also has a single reader."""
        writer = self.writer(tensor, *kinds)
        return writer if writer is not None and self.has_one_reader(tensor) else None

    def reader(self, tensor: Tensor, *kinds: str) -> Operation | None:
        """The only operation that reads the tensor's buffer, if it is of one of these kinds."""
        readers = self._readers.get(id(tensor.buffer), [])
        return readers[0] if self.has_one_reader(tensor) and readers[0].kind in kinds else None

    def has_one_reader(self, tensor: Tensor) -> bool:
        """Whether one operation reads the buffer, once, and it is no output."""
        return tensor.buffer.place is Place.ARENA and len(self._readers.get(id(tensor.buffer), [])) == 1


def is_constant(tensor: Tensor) -> bool:
    """Whether the tensor's values are known at compile time."""
    return tensor.buffer.place is Place.CONSTANT
