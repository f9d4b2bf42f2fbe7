"""Samples to train on, and those held out, as tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from octavo.data import SampleSet
from octavo.errors import DataError

Tensors = dict[str, Tensor]

# What is kept in memory; larger sets are read anew each epoch, in their own order.
_BYTES = 1 << 30
# Of the samples, the part that is held out, and how many that is at most.
_PART, _MOST = 8, 512


class Examples(Protocol):
    """Batches of a model's inputs.

    Attributes:
        held_out: batches that are not trained on.
        steps: batches an epoch.
    """

    held_out: list[Tensors]
    steps: int

    def epoch(self, random: torch.Generator) -> Iterator[Tensors]:
        """All that is not held out, once."""


def examples(samples: SampleSet, batch_size: int, *, fixed: bool, seed: int) -> Examples:
    """Examples of a set, an eighth held out, 512 samples at most.

    Samples that fit in memory are drawn in a new order each epoch; batches that differ in shape stay whole; sets
    too large for memory are read anew, in their own order.

    Args:
        samples: for the model.
        batch_size: samples a step, where the source can choose.
        fixed: the model takes no other size, so that what is left over is left out.
        seed: of the choice of what is held out.

    Raises:
        DataError: there are too few samples to hold some out.
    """
    found = list(_read(samples, batch_size, fixed, _BYTES))
    if sum(_bytes(batch) for batch in found) > _BYTES:
        return _Batches(lambda: _read(samples, batch_size, fixed, None), in_order=True)
    if len({tuple(each.shape[1:] for each in batch.values()) for batch in found}) > 1:
        return _Batches(lambda: found, in_order=False)
    return _Rows({name: torch.cat([batch[name] for batch in found]) for name in found[0]}, batch_size, fixed, seed)


class _Rows:
    """Samples of one shape, in memory."""

    def __init__(self, tensors: Tensors, size: int, fixed: bool, seed: int) -> None:
        count = _size(tensors)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        held = size if fixed else min(max(count // _PART, 1), _MOST)
        if count - held < (size if fixed else 1):
            raise DataError(f"{count} samples are too few to train on some and hold others out; give more")
        self.held_out = [_rows(tensors, rows) for rows in torch.split(order[:held], size)]
        self._tensors, self._order, self._size = tensors, order[held:], size
        self.steps = len(self._order) // size if fixed else -(-len(self._order) // size)

    def epoch(self, random: torch.Generator) -> Iterator[Tensors]:
        mixed = self._order[torch.randperm(len(self._order), generator=random)]
        for rows in torch.split(mixed, self._size)[: self.steps]:
            yield _rows(self._tensors, rows)


class _Batches:
    """Batches as they come, every eighth held out until there are enough."""

    def __init__(self, read: Callable[[], Iterable[Tensors]], in_order: bool) -> None:
        self._read, self._in_order = read, in_order
        self.held_out: list[Tensors] = []
        self._held: set[int] = set()
        count = 0
        for place, batch in enumerate(read()):
            count += 1
            if place % _PART == 0 and sum(map(_size, self.held_out)) < _MOST:
                self._held.add(place)
                self.held_out.append(batch)
        self.steps = count - len(self._held)
        if not self.steps:
            raise DataError(f"{count} batch is too few to train on some and hold others out; give more")

    def epoch(self, random: torch.Generator) -> Iterator[Tensors]:
        batches = (batch for place, batch in enumerate(self._read()) if place not in self._held)
        if self._in_order:
            return batches
        listed = list(batches)
        return (listed[int(place)] for place in torch.randperm(len(listed), generator=random))


def _read(samples: SampleSet, batch_size: int, fixed: bool, most: int | None) -> Iterator[Tensors]:
    """Batches of the set, until there are more bytes than `most`; of a fixed size where the model has one."""
    total = 0
    for batch in samples.batches(batch_size):
        tensors = {name: torch.tensor(array) for name, array in batch.inputs.items()}
        for part in _whole(tensors, batch_size) if fixed else [tensors]:
            total += _bytes(part)
            yield part
        if most is not None and total > most:
            return


def _whole(tensors: Tensors, size: int) -> Iterator[Tensors]:
    for start in range(0, _size(tensors) - size + 1, size):
        yield {name: each[start : start + size] for name, each in tensors.items()}


def _rows(tensors: Tensors, rows: Tensor) -> Tensors:
    return {name: each[rows] for name, each in tensors.items()}


def _size(tensors: Tensors) -> int:
    return len(next(iter(tensors.values())))


def _bytes(tensors: Tensors) -> int:
    return sum(each.nbytes for each in tensors.values())
