"""Arrays in memory: one NumPy array, or a dict of arrays by input name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data.formats.format import Format
from octavo.data.names import match_names
from octavo.data.preprocess import Preprocess
from octavo.data.samples import Arrays, Batch, Source, as_array
from octavo.errors import DataError
from octavo.graph.spec import TensorSpec


class ArraySamples:
    """Arrays whose axis 0 counts samples; those that are not model inputs are the reference."""

    one_pass = False

    def __init__(self, source: NDArray[Any] | Mapping[str, NDArray[Any]], specs: Sequence[TensorSpec]) -> None:
        arrays = {specs[0].name: source} if isinstance(source, np.ndarray) else dict(source)
        arrays = {name: as_array(value, f"array '{name}'") for name, value in arrays.items()}
        scalars = [name for name, value in arrays.items() if value.ndim == 0]
        if scalars:
            raise DataError(f"array '{scalars[0]}' is a single number; give one row per sample")
        names = match_names(list(arrays), specs, "the data", {n: a.ndim for n, a in arrays.items()})
        self._inputs = {names[name]: arrays[name] for name in names}
        self._reference = {name: value for name, value in arrays.items() if name not in names}
        self.length = len(next(iter(self._inputs.values())))
        unequal = [name for name, value in arrays.items() if len(value) != self.length]
        if unequal:
            name, rows = unequal[0], len(arrays[unequal[0]])
            raise DataError(f"array '{name}' has {rows} rows, others {self.length}; give one row per sample")

    def read(self, batch_size: int) -> Iterator[Batch]:
        """Yield the samples in batches of `batch_size`."""
        for start in range(0, self.length, batch_size):
            yield Batch({n: a[start : start + batch_size] for n, a in self._inputs.items()}, {}, start)

    def reference(self) -> Arrays:
        """The arrays that are not model inputs."""
        return dict(self._reference)

    def sha256(self) -> str:
        """Digest of names, dtypes, shapes and contents."""
        digest = hashlib.sha256()
        for name, array in sorted({**self._inputs, **self._reference}.items()):
            digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()


def _open(source: NDArray[Any] | Mapping[str, Any], specs: Sequence[TensorSpec], preprocess: Preprocess) -> Source:
    return ArraySamples(source, specs)


def _peek(source: NDArray[Any] | Mapping[str, Any]) -> NDArray[Any] | Arrays:
    if isinstance(source, np.ndarray):
        return source[:1]
    arrays = {str(name): as_array(value, f"array '{name}'") for name, value in source.items()}
    return {name: array[:1] for name, array in arrays.items() if array.ndim}


def _example(folder: Path, arrays: Arrays) -> Arrays:
    return arrays


ARRAYS = Format(
    name="arrays",
    description="an array or a dict of arrays",
    accepts=lambda source: isinstance(source, np.ndarray | Mapping),
    open=_open,
    example=_example,
    peek=_peek,
)
