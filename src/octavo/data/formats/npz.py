"""NumPy .npz archives: arrays named after the model's inputs, and reference arrays beside them."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from octavo.data.formats.format import Format, has_suffix
from octavo.data.formats.row_files import RowFile, first_rows
from octavo.data.preprocess import Preprocess
from octavo.data.row_reader import RowReader
from octavo.data.samples import Arrays, Source
from octavo.errors import DataError
from octavo.graph.spec import TensorSpec


def _open(path: Path, specs: Sequence[TensorSpec], preprocess: Preprocess) -> Source:
    return RowFile(path, specs, _readers)


def _readers(path: Path, stack: ExitStack) -> dict[str, RowReader]:
    """Readers of the arrays in the archive, by name; open until the stack is closed.

    Raises:
        DataError: the archive or one of its arrays is damaged.
    """
    file = stack.enter_context(path.open("rb"))
    try:
        archive = stack.enter_context(zipfile.ZipFile(file))
        members = [name for name in archive.namelist() if name.endswith(".npy")]
        streams = {name[:-4]: stack.enter_context(archive.open(name)) for name in members}
    except Exception as error:
        # A damaged zip directory raises anything from struct.error to an OSError of a negative seek.
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not a readable .npz file ({reason}); write it with numpy.savez") from None
    if not streams:
        raise DataError(f"{path} holds no arrays; write it with numpy.savez")
    return {name: RowReader(stream, f"array '{name}' of {path}") for name, stream in streams.items()}


def _example(folder: Path, arrays: Arrays) -> Path:
    path = folder / "samples.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


NPZ = Format(
    name="npz",
    description="a .npz file",
    accepts=lambda source: has_suffix(source, ".npz"),
    open=_open,
    example=_example,
    peek=lambda path: first_rows(path, _readers),
)
