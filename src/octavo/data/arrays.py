"""Samples in memory: one array, or arrays by input name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data.names import match_names
from octavo.data.samples import Arrays, Batch, as_array
from octavo.errors import DataError
from octavo.graph.spec import TensorSpec


class ArraySamples:
    """Arrays whose first axis counts samples; those that are not model inputs are the reference."""

    one_pass = False

    def __init__(self, source: NDArray[Any] | Mapping[str, NDArray[Any]], specs: Sequence[TensorSpec]) -> None:
        arrays = {specs[0].name: source} if isinstance(source, np.ndarray) else dict(source)
        arrays = {name: as_array(value, f"array '{name}'") for name, value in arrays.items()}
        scalars = [name for name, value in arrays.items() if value.ndim == 0]
        if scalars:
            raise DataError(f"array '{scalars[0]}' is a single number; give one row a sample")
        names = match_names(list(arrays), specs, "the data", {n: a.ndim for n, a in arrays.items()})
        self._inputs = {names[name]: arrays[name] for name in names}
        self._reference = {name: value for name, value in arrays.items() if name not in names}
        self.length = len(next(iter(self._inputs.values())))
        odd = [name for name, value in arrays.items() if len(value) != self.length]
        if odd:
            raise DataError(f"array '{odd[0]}' has {len(arrays[odd[0]])} rows, others {self.length}; give one a sample")

    def read(self, batch_size: int) -> Iterator[Batch]:
        """The samples in batches of `batch_size`."""
        for start in range(0, self.length, batch_size):
            yield Batch({n: a[start : start + batch_size] for n, a in self._inputs.items()}, {}, start)

    def reference(self) -> Arrays:
        """The arrays that are not model inputs."""
        return dict(self._reference)

    def sha256(self) -> str:
        """Digest of names, types, shapes and contents."""
        digest = hashlib.sha256()
        for name, array in sorted({**self._inputs, **self._reference}.items()):
            digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()
