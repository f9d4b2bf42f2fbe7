"""Samples in .npz and .npy files, read by rows."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from octavo.data.names import match_names
from octavo.data.rows import RowReader
from octavo.data.samples import Arrays, Batch
from octavo.errors import DataError
from octavo.graph.spec import TensorSpec


class FileSamples:
    """The arrays of a .npz (named after the model's inputs) or a .npy (for a model of one input)."""

    one_pass = False

    def __init__(self, path: Path, specs: Sequence[TensorSpec]) -> None:
        self._path = path
        with ExitStack() as stack:
            readers = open_rows(self._path, stack)
            shapes = {name: reader.shape for name, reader in readers.items()}
        scalars = [name for name, shape in shapes.items() if not shape]
        if scalars:
            raise DataError(f"array '{scalars[0]}' of {path} is a single number; give one row a sample")
        self._inputs = match_names(list(shapes), specs, str(path), {name: len(s) for name, s in shapes.items()})
        lengths = {name: shape[0] for name, shape in shapes.items()}
        self.length = lengths[next(iter(self._inputs))]
        odd = [name for name, length in lengths.items() if length != self.length]
        if odd:
            raise DataError(
                f"array '{odd[0]}' of {path} has {lengths[odd[0]]} rows but '{next(iter(self._inputs))}' has "
                f"{self.length}; give one row a sample in every array"
            )

    def read(self, batch_size: int) -> Iterator[Batch]:
        """The samples in batches of `batch_size`."""
        with ExitStack() as stack:
            readers = {name: r for name, r in open_rows(self._path, stack).items() if name in self._inputs}
            for start in range(0, self.length, batch_size):
                yield Batch({self._inputs[n]: r.read(batch_size) for n, r in readers.items()}, {}, start)

    def reference(self) -> Arrays:
        """The arrays that are not model inputs, whole."""
        with ExitStack() as stack:
            readers = open_rows(self._path, stack)
            return {n: r.read(self.length) for n, r in readers.items() if n not in self._inputs}

    def sha256(self) -> str:
        """Digest of the file."""
        with open(self._path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def open_rows(path: Path, stack: ExitStack) -> dict[str, RowReader]:
    """Readers of the arrays in a .npz or .npy file, by name; open until the stack is left.

    Raises:
        DataError: the file or one of its arrays is damaged.
    """
    file = stack.enter_context(path.open("rb"))
    if path.suffix.lower() == ".npy":
        return {path.stem: RowReader(file, str(path))}
    try:
        archive = stack.enter_context(zipfile.ZipFile(file))
        members = [name for name in archive.namelist() if name.endswith(".npy")]
        streams = {name[:-4]: stack.enter_context(archive.open(name)) for name in members}
    except Exception as error:
        # A damaged directory fails in many ways, from struct.error to a negative seek.
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not a readable .npz file ({reason}); write it with numpy.savez") from None
    if not streams:
        raise DataError(f"{path} holds no arrays; write it with numpy.savez")
    return {name: RowReader(stream, f"array '{name}' of {path}") for name, stream in streams.items()}
