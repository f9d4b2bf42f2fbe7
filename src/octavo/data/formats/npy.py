"""NumPy .npy files: the one array of a model with one input."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from octavo.data.formats.format import Format, has_suffix
from octavo.data.formats.row_files import RowFile, first_rows
from octavo.data.preprocess import Preprocess
from octavo.data.row_reader import RowReader
from octavo.data.samples import Arrays, Source
from octavo.graph.spec import TensorSpec


def _open(path: Path, specs: Sequence[TensorSpec], preprocess: Preprocess) -> Source:
    return RowFile(path, specs, _readers)


def _readers(path: Path, stack: ExitStack) -> dict[str, RowReader]:
    return {path.stem: RowReader(stack.enter_context(path.open("rb")), str(path))}


def _example(folder: Path, arrays: Arrays) -> Path:
    path = folder / "samples.npy"
    np.save(path, next(iter(arrays.values())))
    return path


NPY = Format(
    name="npy",
    description="a .npy file",
    accepts=lambda source: has_suffix(source, ".npy"),
    open=_open,
    example=_example,
    peek=lambda path: first_rows(path, _readers),
)
