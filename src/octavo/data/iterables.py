"""Samples from any iterable: dicts, arrays, tuples, a PyTorch DataLoader, a CalibrationDataReader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from octavo.data.names import match_names
from octavo.data.samples import Arrays, Batch, as_array, concatenate
from octavo.errors import DataError
from octavo.graph.spec import TensorSpec


class IterableSamples:
    """Each item is a sample or a batch of samples, of any length; items pass as they come.

    An item is a dict by input name, an array (one input), or a tuple of the inputs in the model's
    order, perhaps with labels behind them; (inputs, labels) where the inputs are a dict or a tuple do too.
    """

    def __init__(self, source: Any, specs: Sequence[TensorSpec]) -> None:
        self._source, self._specs = source, tuple(specs)
        self.length: int | None = None
        self.one_pass = not hasattr(source, "rewind") if hasattr(source, "get_next") else isinstance(source, Iterator)

    def read(self, batch_size: int) -> Iterator[Batch]:
        """The items in turn; `batch_size` is theirs, not ours."""
        start, names = 0, None
        for item in _items(self._source):
            batch = self._batch(item, start)
            if names is not None and names != batch.reference.keys():
                raise DataError(
                    f"item {start} comes with {_list(batch.reference)} but those before it with {_list(names)}; "
                    "give the same arrays in each"
                )
            names = batch.reference.keys()
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
        return Batch(inputs, _one_a_sample(reference, inputs, start), start)

    def _named(self, item: Any, start: int) -> Arrays:
        item = unpacked(item)
        if isinstance(item, Mapping):
            return {str(name): as_array(value, f"array '{name}' of item {start}") for name, value in item.items()}
        parts = [as_array(v, f"item {start}") for v in (item if isinstance(item, tuple | list) else [item])]
        names = [spec.name for spec in self._specs]
        if len(parts) > len(names) + 1:
            raise DataError(
                f"item {start} has {len(parts)} arrays but the model takes {len(names)} inputs; "
                "give those, then labels at most, or a dict by name"
            )
        if len(parts) < len(names):
            raise DataError(f"item {start} has {len(parts)} arrays but the model takes {len(names)} inputs; give all")
        return dict(zip([*names, "labels"], parts, strict=False))


def unpacked(item: Any) -> Any:
    """The pair (inputs, labels), inputs being a dict or a tuple of tensors, as one dict or tuple; all else as it is."""
    if not isinstance(item, tuple | list) or len(item) != 2:
        return item
    inputs, labels = item
    if isinstance(inputs, Mapping):
        return {**inputs, "labels": labels}
    if isinstance(inputs, tuple | list) and inputs and all(hasattr(each, "shape") for each in inputs):
        return (*inputs, labels)
    return item


def _items(source: Any) -> Iterator[Any]:
    if not hasattr(source, "get_next"):
        return iter(source)
    if hasattr(source, "rewind"):
        source.rewind()
    return iter(source.get_next, None)


def is_iterable(source: Any) -> bool:
    """Whether the source can be read item by item."""
    return isinstance(source, Iterable) or hasattr(source, "get_next")


def _one_a_sample(reference: Arrays, inputs: Arrays, start: int) -> Arrays:
    """The reference arrays, held against the number of samples in the inputs."""
    size = next((len(array) for array in inputs.values() if array.ndim), None)
    for name, array in reference.items():
        rows = len(array) if array.ndim else None
        if size is not None and rows != size:
            found = "a single number" if rows is None else f"{rows} rows"
            raise DataError(f"array '{name}' of item {start} is {found} for {size} samples; give one row a sample")
    return reference


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "inputs only"
