"""Split samples by groups into a selection set and a judging set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data.samples import Arrays, Batch
from octavo.data.sampleset import SampleSet
from octavo.errors import DataError


def split(samples: SampleSet, share: float, seed: int = 0) -> tuple[SampleSet, SampleSet]:
    """About `share` of the samples, and the rest, both in the original order.

    Samples of a group (equal values in the array `groups`, where present) are in the same part. The split is
    determined by samples, share and seed.

    Raises:
        DataError: the samples can be read only once, or are too few to fill both parts.
    """
    if samples.one_pass:
        raise DataError(
            "the evaluation data can be read only once, but are split into a selection and a judging set; give a list, "
            "a file, or an iterable that can be iterated again"
        )
    in_first = _draw(samples, share, seed)
    if in_first.all() or not in_first.any():
        raise DataError(f"{len(in_first)} evaluation samples are too few for a selection and a judging set; give more")
    return samples.derived(_Part(samples, in_first)), samples.derived(_Part(samples, ~in_first))


def _draw(samples: SampleSet, share: float, seed: int) -> NDArray[np.bool_]:
    """Mask of the samples in the first part, shape (samples,)."""
    groups, count = _groups(samples)
    rng = np.random.default_rng(seed)
    if groups is None:
        return _random_mask(count, share, rng)
    _, inverse = np.unique(groups.reshape(len(groups), -1)[:, 0], return_inverse=True)
    mask: NDArray[np.bool_] = _random_mask(int(inverse.max(initial=-1)) + 1, share, rng)[inverse]
    return mask


def _random_mask(count: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    mask = np.zeros(count, np.bool_)
    mask[rng.permutation(count)[: round(share * count)]] = True
    return mask


def _groups(samples: SampleSet) -> tuple[NDArray[Any] | None, int]:
    if samples.length is not None:
        return samples.reference().get("groups"), samples.length
    sizes, groups = 0, []
    for batch in samples.batches(1):
        sizes += batch.size
        groups.extend([batch.reference["groups"]] if "groups" in batch.reference else [])
    return np.concatenate(groups) if groups else None, sizes


class _Part:
    """The samples of a set that a mask selects."""

    one_pass = False

    def __init__(self, samples: SampleSet, mask: NDArray[np.bool_]) -> None:
        self._samples, self._mask = samples, mask
        # Iterables carry the reference in their batches.
        self._streamed = samples.streamed
        self.length = None if self._streamed else int(mask.sum())

    def read(self, batch_size: int) -> Iterator[Batch]:
        """Yield the selected samples, in batches of about `batch_size`."""
        read_size = batch_size if self._streamed else max(1, round(batch_size * self._mask.size / self._mask.sum()))
        start, position = 0, 0
        for batch in self._samples.batches(read_size):
            rows = self._mask[position : position + batch.size]
            position += batch.size
            if rows.any():
                part = Batch(_rows(batch.inputs, rows), _rows(batch.reference, rows), start)
                start += part.size
                yield part

    def reference(self) -> Arrays:
        """The reference arrays of the selected samples."""
        return _rows(self._samples.reference(), self._mask)

    def sha256(self) -> str:
        """Digest of the complete set."""
        return self._samples.sha256()


def _rows(arrays: Arrays, rows: NDArray[np.bool_]) -> Arrays:
    return {name: array[rows] for name, array in arrays.items()}
