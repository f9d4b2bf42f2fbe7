"""Iterables of dicts, arrays or tuples: a list, a generator, a PyTorch DataLoader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from octavo.data.formats.format import Format
from octavo.data.items import unpack_labels
from octavo.data.names import match_names
from octavo.data.preprocess import Preprocess
from octavo.data.samples import Arrays, Batch, Source, as_array, concatenate
from octavo.errors import DataError
from octavo.graph.spec import TensorSpec


class IterableSamples:
    """Items that are each a sample or a batch of samples, of any size.

    An item is a dict by input name, an array (one input), a tuple of the inputs in the model's order with optional
    labels at the end, or (inputs, labels) where the inputs are a dict or a tuple.

    Args:
        items: starts an iteration.
        specs: the model's inputs.
        one_pass: whether only the first iteration yields the samples.
    """

    def __init__(self, items: Callable[[], Iterator[Any]], specs: Sequence[TensorSpec], *, one_pass: bool) -> None:
        self._items, self._specs = items, tuple(specs)
        self.length: int | None = None
        self.one_pass = one_pass

    def read(self, batch_size: int) -> Iterator[Batch]:
        """Yield one batch per item; `batch_size` has no effect.

        Raises:
            DataError: an item does not match the model's inputs or the items before it.
        """
        start, names = 0, None
        for item in self._items():
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
        """Labels and other reference arrays of all items, concatenated."""
        return concatenate([batch.reference for batch in self.read(1)])

    def sha256(self) -> str:
        """Empty: the digest is known only after a pass."""
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
        return Batch(inputs, _check_rows(reference, inputs, start), start)

    def _named(self, item: Any, start: int) -> Arrays:
        item = unpack_labels(item)
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


def _open(source: Iterable[Any], specs: Sequence[TensorSpec], preprocess: Preprocess) -> Source:
    return IterableSamples(lambda: iter(source), specs, one_pass=isinstance(source, Iterator))


def _peek(source: Any) -> Any:
    """The first batch of a DataLoader; items of other iterables may lack a batch axis or be consumed."""
    return next(iter(source), None) if getattr(source, "batch_sampler", None) is not None else None


def _example(folder: Path, arrays: Arrays) -> list[Arrays]:
    return [{name: array[:1] for name, array in arrays.items()}, {name: array[1:] for name, array in arrays.items()}]


def _check_rows(reference: Arrays, inputs: Arrays, start: int) -> Arrays:
    """The reference arrays, checked to have as many rows as the inputs."""
    size = next((len(array) for array in inputs.values() if array.ndim), None)
    for name, array in reference.items():
        rows = len(array) if array.ndim else None
        if size is not None and rows != size:
            extent = "a single number" if rows is None else f"{rows} rows"
            raise DataError(f"array '{name}' of item {start} is {extent} for {size} samples; give one row per sample")
    return reference


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "inputs only"


ITERABLE = Format(
    name="iterable",
    description="an iterable of dicts, arrays or tuples",
    accepts=lambda source: isinstance(source, Iterable) and not isinstance(source, Path),
    open=_open,
    example=_example,
    peek=_peek,
)
