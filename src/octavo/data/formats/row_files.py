"""Samples in files of NumPy arrays, read by rows so that memory does not grow with the file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from octavo.data.names import match_names
from octavo.data.row_reader import RowReader
from octavo.data.samples import Arrays, Batch
from octavo.errors import DataError
from octavo.graph.spec import TensorSpec

# (path, stack) -> readers of the arrays of a file by name, which stay open until the stack is closed.
OpenReaders = Callable[[Path, ExitStack], dict[str, RowReader]]


class RowFile:
    """A file of arrays whose axis 0 counts samples; arrays that are not model inputs are the reference."""

    one_pass = False

    def __init__(self, path: Path, specs: Sequence[TensorSpec], open_readers: OpenReaders) -> None:
        self._path, self._open_readers = path, open_readers
        with ExitStack() as stack:
            shapes = {name: reader.shape for name, reader in open_readers(path, stack).items()}
        scalars = [name for name, shape in shapes.items() if not shape]
        if scalars:
            raise DataError(f"array '{scalars[0]}' of {path} is a single number; give one row per sample")
        self._inputs = match_names(list(shapes), specs, str(path), {name: len(s) for name, s in shapes.items()})
        lengths = {name: shape[0] for name, shape in shapes.items()}
        first = next(iter(self._inputs))
        self.length = lengths[first]
        unequal = [name for name, length in lengths.items() if length != self.length]
        if unequal:
            raise DataError(
                f"array '{unequal[0]}' of {path} has {lengths[unequal[0]]} rows but '{first}' has {self.length}; "
                "give one row per sample in every array"
            )

    def read(self, batch_size: int) -> Iterator[Batch]:
        """Yield the samples in batches of `batch_size`."""
        with ExitStack() as stack:
            readers = {n: r for n, r in self._open_readers(self._path, stack).items() if n in self._inputs}
            for start in range(0, self.length, batch_size):
                yield Batch({self._inputs[n]: r.read(batch_size) for n, r in readers.items()}, {}, start)

    def reference(self) -> Arrays:
        """The arrays that are not model inputs, complete."""
        with ExitStack() as stack:
            readers = self._open_readers(self._path, stack)
            return {n: r.read(self.length) for n, r in readers.items() if n not in self._inputs}

    def sha256(self) -> str:
        """Digest of the file."""
        with open(self._path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def first_rows(path: Path, open_readers: OpenReaders) -> Arrays:
    """The first row of every array of the file, shape (1, ...); scalars are left out."""
    with ExitStack() as stack:
        return {name: reader.read(1) for name, reader in open_readers(path, stack).items() if reader.shape}
