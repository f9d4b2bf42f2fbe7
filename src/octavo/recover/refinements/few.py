"""A few calibration samples: some to fit refinements to, others to check them on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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


def few(samples: SampleSet) -> Few | None:
    """At most 16 samples of each kind, spread evenly over the first 512.

    Returns None where the samples can be read only once, or there is only one.
    """
    if samples.one_pass:
        return None
    taken = _spread(samples)
    if len(taken) < 2:
        return None
    fit, check = (concatenate(taken[start::2]) for start in (0, 1))
    return Few(samples.derived(_Held(fit)), samples.derived(_Held(check)))


def _spread(samples: SampleSet) -> list[Arrays]:
    """Single samples, evenly spaced; of an iterable, whose length is unknown, the first ones."""
    count = 2 * _EACH if samples.length is None else min(samples.length, _SPREAD_OVER)
    wanted = set(np.linspace(0, count - 1, min(count, 2 * _EACH)).round().astype(int).tolist())
    taken: list[Arrays] = []
    position = 0
    for batch in samples.batches(_BATCH):
        rows = [row for row in range(batch.size) if position + row in wanted]
        taken.extend({name: array[row : row + 1].copy() for name, array in batch.inputs.items()} for row in rows)
        position += batch.size
        if position >= count:
            break
    return taken


class _Held:
    """Samples held in memory."""

    one_pass = False

    def __init__(self, inputs: Arrays) -> None:
        self._inputs = inputs
        self.length: int | None = len(next(iter(inputs.values())))

    def read(self, batch_size: int) -> Iterator[Batch]:
        """Yield the samples in order."""
        assert self.length is not None
        for start in range(0, self.length, batch_size):
            yield Batch({name: array[start : start + batch_size] for name, array in self._inputs.items()}, {}, start)

    def reference(self) -> Arrays:
        """No arrays beside the inputs."""
        return {}

    def sha256(self) -> str:
        """No digest: these samples never leave the process."""
        return ""
