"""Samples checked against the model, counted, hashed and limited."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data.check import check_inputs
from octavo.data.preprocess import Preprocess
from octavo.data.samples import Arrays, Batch, Source
from octavo.errors import DataError
from octavo.graph.spec import TensorSpec


class SampleSet:
    """A source of samples checked against a model's inputs.

    Attributes:
        length: number of samples, or None where only a pass can count them.
    """

    def __init__(
        self, source: Source, specs: Sequence[TensorSpec], preprocess: Preprocess | None, limit: int | None
    ) -> None:
        self._source, self._specs, self._preprocess, self._limit = source, tuple(specs), preprocess, limit
        self._digest = ""
        self._read = False
        length = source.length
        self.length = length if limit is None or length is None else min(limit, length)
        if self.length == 0:
            raise DataError("the data hold no samples; give at least one")

    @property
    def one_pass(self) -> bool:
        """Whether the samples can be read only once (a generator)."""
        return self._source.one_pass

    @property
    def streamed(self) -> bool:
        """Whether the samples come from an iterable, whose items define the batches and carry the reference."""
        return self._source.length is None

    def derived(self, source: Source) -> SampleSet:
        """Samples of another source for the same model, already checked and preprocessed."""
        return SampleSet(source, self._specs, None, None)

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield the samples in order, in batches of `batch_size` (iterables keep their own batches).

        Raises:
            DataError: a sample does not match the model, there are no samples, or a generator is read twice.
        """
        if self._source.one_pass and self._read:
            raise DataError(
                "the data can be read only once; give a list, a file, or an iterable that can be iterated again"
            )
        self._read = True
        digest, count = hashlib.sha256(), 0
        for batch in self._source.read(batch_size):
            batch = self._checked(batch, None if self._limit is None else self._limit - count)
            if self._source.length is None:
                _update(digest, {**batch.reference, **batch.inputs}, batch.size)
            count += batch.size
            yield batch
            if count == self._limit:
                break
        if count == 0:
            raise DataError("the data hold no samples; give at least one")
        self.length, self._digest = count, digest.hexdigest()

    def reference(self) -> Arrays:
        """The arrays that are not model inputs, one row per sample."""
        return {name: array[: self._limit] for name, array in self._source.reference().items()}

    def sha256(self) -> str:
        """Digest of the stored samples; for iterables, of the samples of the last complete pass."""
        return self._source.sha256() or self._digest

    def _checked(self, batch: Batch, limit: int | None) -> Batch:
        inputs = check_inputs(_first(batch.inputs, limit), self._specs, self._preprocess, batch.start)
        return Batch(inputs, _first(batch.reference, limit), batch.start)


def sample_hashes(batch: Batch) -> list[bytes]:
    """Hash of eight bytes per sample of a batch; equal inputs have equal hashes."""
    arrays = [np.ascontiguousarray(batch.inputs[name]) for name in sorted(batch.inputs)]
    rows = [array.reshape(batch.size, -1).view(np.uint8) for array in arrays]
    return [_hash([row[sample] for row in rows]) for sample in range(batch.size)]


def _hash(rows: list[NDArray[np.uint8]]) -> bytes:
    digest = hashlib.blake2b(digest_size=8)
    for row in rows:
        digest.update(row.data)
    return digest.digest()


def _first(arrays: Arrays, limit: int | None) -> Arrays:
    return {name: array[:limit] if array.ndim else array for name, array in arrays.items()}


def _update(digest: Any, arrays: Arrays, size: int) -> None:
    """Update row by row, so that the digest does not depend on batching."""
    for row in range(size):
        for name in sorted(arrays):
            array = arrays[name]
            digest.update(f"{name}:{array.dtype.str}:{array.shape[1:]};".encode())
            digest.update(array[row].tobytes())
