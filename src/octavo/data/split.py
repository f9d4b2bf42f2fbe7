"""Samples in two parts, group by group: one to choose by, one to judge by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data.samples import Arrays, Batch
from octavo.data.sampleset import SampleSet
from octavo.errors import DataError


def split(samples: SampleSet, share: float, seed: int = 0) -> tuple[SampleSet, SampleSet]:
    """About `share` of the samples, and the rest, each in their order.

    Which part a sample falls into is drawn once for its group (the array `groups`, where there is one), so
    that what belongs together stays together. The same samples, share and seed give the same parts.

    Raises:
        DataError: the samples can be read only once, or are too few to fill both parts.
    """
    if samples.one_pass:
        raise DataError(
            "the evaluation data can be read only once, but parts of them choose and judge; give a list, a file, or an "
            "iterable that starts anew"
        )
    chosen = _draw(samples, share, seed)
    if chosen.all() or not chosen.any():
        raise DataError(
            f"{len(chosen)} evaluation samples are too few to choose by some and judge by others; give more"
        )
    return samples.derived(_Part(samples, chosen)), samples.derived(_Part(samples, ~chosen))


def _draw(samples: SampleSet, share: float, seed: int) -> NDArray[np.bool_]:
    """For each sample whether it is in the first part."""
    groups, count = _groups(samples)
    rng = np.random.default_rng(seed)
    if groups is None:
        return _some(count, share, rng)
    _, inverse = np.unique(groups.reshape(len(groups), -1)[:, 0], return_inverse=True)
    chosen: NDArray[np.bool_] = _some(int(inverse.max(initial=-1)) + 1, share, rng)[inverse]
    return chosen


def _some(count: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    taken = np.zeros(count, np.bool_)
    taken[rng.permutation(count)[: round(share * count)]] = True
    return taken


def _groups(samples: SampleSet) -> tuple[NDArray[Any] | None, int]:
    if samples.length is not None:
        return samples.reference().get("groups"), samples.length
    sizes, groups = 0, []
    for batch in samples.batches(1):
        sizes += batch.size
        groups.extend([batch.reference["groups"]] if "groups" in batch.reference else [])
    return np.concatenate(groups) if groups else None, sizes


class _Part:
    """The samples of a set that are marked."""

    one_pass = False

    def __init__(self, samples: SampleSet, marked: NDArray[np.bool_]) -> None:
        self._samples, self._marked = samples, marked
        # References of iterables come with their batches.
        self._streamed = samples.streamed
        self.length = None if self._streamed else int(marked.sum())

    def read(self, batch_size: int) -> Iterator[Batch]:
        """The marked samples, in batches of about `batch_size`."""
        whole = batch_size if self._streamed else max(1, round(batch_size * self._marked.size / self._marked.sum()))
        start, place = 0, 0
        for batch in self._samples.batches(whole):
            rows = self._marked[place : place + batch.size]
            place += batch.size
            if rows.any():
                part = Batch(_rows(batch.inputs, rows), _rows(batch.reference, rows), start)
                start += part.size
                yield part

    def reference(self) -> Arrays:
        """The reference arrays of the marked samples."""
        return _rows(self._samples.reference(), self._marked)

    def sha256(self) -> str:
        """Digest of the whole set."""
        return self._samples.sha256()


def _rows(arrays: Arrays, rows: NDArray[np.bool_]) -> Arrays:
    return {name: array[rows] for name, array in arrays.items()}
