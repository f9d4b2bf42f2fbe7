"""A few calibration samples: some to fit refinements to, others to check them on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from octavo.data import Arrays, Batch, SampleSet
from octavo.data.samples import concatenate

# Samples of each kind, and how many are read to spread them over.
_EACH, _SPREAD_OVER = 16, 512
_BATCH = 32


@dataclass(frozen=True)
class Few:
    """Disjoint calibration samples: `fit` and `check`."""

    fit: SampleSet
    check: SampleSet


def few(samples: SampleSet) -> tuple[SampleSet, Few | None]:
    """At most 16 samples of each kind, spread evenly over the first 512; of an iterable, the first 32.

    Returns:
        The samples to calibrate with, and the few; None where there is only one sample. Of samples that can be read
        only once, what was read here is held, so that a pass over the returned set yields them all.
    """
    if samples.length is None:
        batches = samples.batches(_BATCH)
        held = _first(batches)
        taken = _rows(held, range(2 * _EACH))
        if samples.one_pass:
            samples = samples.derived(_Resumed(held, batches))
    else:
        count = min(samples.length, _SPREAD_OVER)
        wanted = np.linspace(0, count - 1, min(count, 2 * _EACH)).round().astype(int)
        taken = _rows(_first(samples.batches(_BATCH), count), wanted.tolist())
    if len(taken) < 2:
        return samples, None
    return samples, Few(samples.derived(_Held(taken[0::2])), samples.derived(_Held(taken[1::2])))


def _first(batches: Iterator[Batch], count: int = 2 * _EACH) -> list[Batch]:
    """The batches that hold the first `count` samples."""
    held: list[Batch] = []
    for batch in batches:
        held.append(batch)
        if batch.start + batch.size >= count:
            break
    return held


def _rows(batches: Sequence[Batch], wanted: Sequence[int]) -> list[Arrays]:
    """Copies of single samples, by their position."""
    places = set(wanted)
    return [
        {name: array[row : row + 1].copy() for name, array in batch.inputs.items()}
        for batch in batches
        for row in range(batch.size)
        if batch.start + row in places
    ]


class _Held:
    """Samples held in memory, one row each; those of equal shapes that follow each other share a batch."""

    one_pass = False

    def __init__(self, samples: list[Arrays]) -> None:
        self._samples = samples
        self.length: int | None = len(samples)

    def read(self, batch_size: int) -> Iterator[Batch]:
        """Yield the samples in order."""
        start = 0
        while start < len(self._samples):
            end = start + 1
            while end < min(len(self._samples), start + batch_size) and self._alike(start, end):
                end += 1
            yield Batch(concatenate(self._samples[start:end]), {}, start)
            start = end

    def _alike(self, one: int, two: int) -> bool:
        first, second = self._samples[one], self._samples[two]
        return all(first[name].shape == second[name].shape for name in first)

    def reference(self) -> Arrays:
        """No arrays beside the inputs."""
        return {}

    def sha256(self) -> str:
        """No digest: these samples never leave the process."""
        return ""


class _Resumed:
    """Samples that can be read once, of which some batches were read already."""

    one_pass = True
    length: int | None = None

    def __init__(self, held: list[Batch], rest: Iterator[Batch]) -> None:
        self._batches = chain(held, rest)

    def read(self, batch_size: int) -> Iterator[Batch]:
        """Yield the batches as they come."""
        yield from self._batches

    def reference(self) -> Arrays:
        """No arrays: each batch carries its own."""
        return {}

    def sha256(self) -> str:
        """No digest: the set that is read has it."""
        return ""
