"""Training batches and held-out batches, as tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from octavo.data import SampleSet
from octavo.errors import DataError

Tensors = dict[str, Tensor]

# Larger sets are not kept in memory but read again for each epoch, in their own order.
_MEMORY_BYTES = 1 << 30
# One sample in 8 is held out, at most 512.
_HELD_OUT_DIVISOR, _MAX_HELD_OUT = 8, 512


class Examples(Protocol):
    """Batches of a model's inputs.

    Attributes:
        held_out: batches not used for training.
        steps: batches per epoch.
    """

    held_out: list[Tensors]
    steps: int

    def epoch(self, random: torch.Generator) -> Iterator[Tensors]:
        """Yield every sample that is not held out once, in batches."""


def examples(samples: SampleSet, batch_size: int, *, fixed: bool, seed: int) -> Examples:
    """Split a sample set into training batches and held-out batches: one eighth, at most 512 samples.

    Samples that fit in memory are shuffled for each epoch; batches of different shapes are not split; sets larger
    than memory are read again for each epoch, in their own order.

    Args:
        samples: inputs of the model.
        batch_size: samples per step, where the source leaves the choice.
        fixed: the model takes no other batch size; incomplete batches are dropped.
        seed: seed of the held-out selection.

    Raises:
        DataError: there are too few samples to hold some out.
    """
    batches = list(_read(samples, batch_size, fixed, _MEMORY_BYTES))
    if sum(_bytes(batch) for batch in batches) > _MEMORY_BYTES:
        return _Batches(lambda: _read(samples, batch_size, fixed, None), in_order=True)
    if len({tuple(tensor.shape[1:] for tensor in batch.values()) for batch in batches}) > 1:
        return _Batches(lambda: batches, in_order=False)
    tensors = {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
    return _Rows(tensors, batch_size, fixed, seed)


class _Rows:
    """Samples of one shape, in memory."""

    def __init__(self, tensors: Tensors, size: int, fixed: bool, seed: int) -> None:
        count = _size(tensors)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        held = size if fixed else min(max(count // _HELD_OUT_DIVISOR, 1), _MAX_HELD_OUT)
        if count - held < (size if fixed else 1):
            raise DataError(f"{count} samples are too few to hold some out; give more")
        self.held_out = [_rows(tensors, rows) for rows in torch.split(order[:held], size)]
        self._tensors, self._order, self._size = tensors, order[held:], size
        self.steps = len(self._order) // size if fixed else -(-len(self._order) // size)

    def epoch(self, random: torch.Generator) -> Iterator[Tensors]:
        shuffled = self._order[torch.randperm(len(self._order), generator=random)]
        for rows in torch.split(shuffled, self._size)[: self.steps]:
            yield _rows(self._tensors, rows)


class _Batches:
    """Batches as the source has them, every eighth held out until there are enough."""

    def __init__(self, read: Callable[[], Iterable[Tensors]], in_order: bool) -> None:
        self._read, self._in_order = read, in_order
        self.held_out: list[Tensors] = []
        self._held: set[int] = set()
        count = 0
        for index, batch in enumerate(read()):
            count += 1
            if index % _HELD_OUT_DIVISOR == 0 and sum(map(_size, self.held_out)) < _MAX_HELD_OUT:
                self._held.add(index)
                self.held_out.append(batch)
        self.steps = count - len(self._held)
        if not self.steps:
            raise DataError(f"{count} batch is too few to hold one out; give more")

    def epoch(self, random: torch.Generator) -> Iterator[Tensors]:
        batches = (batch for index, batch in enumerate(self._read()) if index not in self._held)
        if self._in_order:
            return batches
        listed = list(batches)
        return (listed[int(index)] for index in torch.randperm(len(listed), generator=random))


def _read(samples: SampleSet, batch_size: int, fixed: bool, limit: int | None) -> Iterator[Tensors]:
    """Yield batches, until more than `limit` bytes were read; all of size `batch_size` if `fixed`."""
    total = 0
    for batch in samples.batches(batch_size):
        tensors = {name: torch.tensor(array) for name, array in batch.inputs.items()}
        for part in _complete(tensors, batch_size) if fixed else [tensors]:
            total += _bytes(part)
            yield part
        if limit is not None and total > limit:
            return


def _complete(tensors: Tensors, size: int) -> Iterator[Tensors]:
    """Split into batches of `size`; drop the remainder."""
    for start in range(0, _size(tensors) - size + 1, size):
        yield {name: tensor[start : start + size] for name, tensor in tensors.items()}


def _rows(tensors: Tensors, rows: Tensor) -> Tensors:
    return {name: tensor[rows] for name, tensor in tensors.items()}


def _size(tensors: Tensors) -> int:
    return len(next(iter(tensors.values())))


def _bytes(tensors: Tensors) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())
