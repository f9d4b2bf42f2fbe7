"""Samples from any iterable: dicts, arrays, tuples, a PyTorch DataLoader, a CalibrationDataReader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data.names import match_names
from octavo.data.samples import Arrays, Batch, concatenate
from octavo.errors import DataError
from octavo.graph.spec import TensorSpec


class IterableSamples:
    """Each item is a sample or a batch of samples, of any length; items pass as they come.

    An item is a dict by input name, an array (one input), or a tuple of the inputs in the model's
    order, perhaps with labels behind them.
    """

    def __init__(self, source: Any, specs: Sequence[TensorSpec]) -> None:
        self._source, self._specs = source, tuple(specs)
        self.length: int | None = None
        self.one_pass = iter(source) is source if not hasattr(source, "get_next") else not hasattr(source, "rewind")

    def read(self, batch_size: int) -> Iterator[Batch]:
        """The items in turn; `batch_size` is theirs, not ours."""
        start = 0
        for item in _items(self._source):
            batch = self._batch(item, start)
            yield batch
            start += batch.size

    def reference(self) -> Arrays:
        """The labels and other arrays of all items, joined."""
        return concatenate([batch.reference for batch in self.read(1)])

    def sha256(self) -> str:
        """Empty: known only after a pass."""
        return ""

    def _batch(self, item: Any, start: int) -> Batch:
        arrays = self._named(item, start)
        names = match_names(list(arrays), self._specs, f"item {start}", {n: a.ndim for n, a in arrays.items()})
        ranks = {spec.name: len(spec.shape) for spec in self._specs}
        inputs = {names[name]: arrays[name] for name in names}
        single = any(array.ndim == ranks[name] - 1 for name, array in inputs.items())
        reference = {name: array for name, array in arrays.items() if name not in names}
        if single:
            inputs = {n: a[None] if a.ndim == ranks[n] - 1 else a for n, a in inputs.items()}
            reference = {name: array[None] for name, array in reference.items()}
        return Batch(inputs, reference, start)

    def _named(self, item: Any, start: int) -> Arrays:
        if isinstance(item, Mapping):
            return {str(name): _array(value) for name, value in item.items()}
        parts = [_array(value) for value in item] if isinstance(item, tuple | list) else [_array(item)]
        names = [spec.name for spec in self._specs]
        if len(parts) < len(names):
            raise DataError(f"item {start} has {len(parts)} arrays but the model takes {len(names)} inputs; give all")
        return dict(zip([*names, "labels"], parts, strict=False))


def _items(source: Any) -> Iterator[Any]:
    if not hasattr(source, "get_next"):
        return iter(source)
    if hasattr(source, "rewind"):
        source.rewind()
    return iter(source.get_next, None)


def is_iterable(source: Any) -> bool:
    """Whether the source can be read item by item."""
    return isinstance(source, Iterable) or hasattr(source, "get_next")


def _array(value: Any) -> NDArray[Any]:
    """A NumPy array of an array-like, a PyTorch tensor included, without importing PyTorch."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)
