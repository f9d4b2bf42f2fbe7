"""Outputs with one row per sample, wherever a model puts its samples.

The samples of a batch may lie on any axis of an output ([time, batch, classes]), in blocks of rows ([batch * time,
classes]), or nowhere that a run of several could tell: then each sample is a run of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data.runner import fixed_batch, padded_parts
from octavo.data.samples import Arrays, Batch, concatenate
from octavo.engines import Engine
from octavo.errors import DataError
from octavo.graph.spec import TensorSpec

# Samples that are run alone to see whether an output of unknown shape has one row each.
_ALONE = 4
# Largest difference, relative to the largest value, between runs of the same samples in another order.
_SAME = 1e-3


@dataclass(frozen=True)
class Place:
    """Where the samples of a run lie in an output: on `axis`, each as `block` consecutive entries."""

    axis: int
    block: int = 1


Places = Mapping[str, Place | None]


class _MisplacedError(Exception):
    """An output does not have its samples at its place."""


class RowRunner:
    """Runs models on the same samples and gives their outputs one row per sample.

    Args:
        engines: models with the same inputs; the first tells where samples lie in the outputs.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = engines
        self._places: Places | None = None
        self._singly = False

    def run(self, batch: Batch) -> Iterator[tuple[Batch, list[Arrays]]]:
        """Yield parts of a batch with the outputs of each model, {name: array}, whose axis 0 counts the samples.

        A part is the whole batch where that is possible, else a single sample; such samples may differ in shape, also
        between the models.

        Raises:
            DataError: a model cannot run.
        """
        if self._places is None:
            self._places = find_places(self._engines[0], batch)
            self._singly = None in self._places.values()
        if not self._singly:
            try:
                yield batch, self._rows(batch)
                return
            except _MisplacedError:
                self._singly = True
            except DataError:
                # Exporters freeze the batch of the example input into shapes.
                if batch.size == 1 or fixed_batch(self._engines[0]) is not None:
                    raise
                self._singly = True
        for part in _single(batch):
            yield part, self._rows(part)

    def _rows(self, batch: Batch) -> list[Arrays]:
        assert self._places is not None
        return [_rows_of(engine, batch, self._places) for engine in self._engines]


def find_places(engine: Engine, batch: Batch) -> dict[str, Place | None]:
    """Where the samples lie in each output; None where only a run of one sample tells.

    The symbol of the inputs' batch axis decides where it stands on one axis of an output. Else the model runs one
    and two samples, and the two in reverse order: the samples lie where the output has changed in the same way.

    Args:
        engine: the model.
        batch: samples to run.
    """
    fixed = fixed_batch(engine)
    symbol = next((spec.shape[0] for spec in engine.inputs if spec.shape), None)
    places: dict[str, Place | None] = {}
    unknown = []
    for spec in engine.outputs:
        known, places[spec.name] = _declared(spec, symbol, fixed)
        unknown += [] if known else [spec.name]
    if unknown:
        found = _alone(engine, batch) if fixed == 1 else _reversed(engine, batch, fixed)
        places.update({name: found.get(name) for name in unknown})
    return places


def _declared(spec: TensorSpec, symbol: int | str | None, fixed: int | None) -> tuple[bool, Place | None]:
    """Whether the shape that a model declares tells where samples lie, and where."""
    if fixed is None:
        axes = [axis for axis, dim in enumerate(spec.shape) if isinstance(dim, str) and dim == symbol]
        return (True, Place(axes[0])) if len(axes) == 1 else (False, None)
    if spec.shape and spec.shape[0] == fixed and (fixed == 1 or spec.shape.count(fixed) == 1):
        return True, Place(0)
    if fixed == 1 and spec.shape and all(isinstance(dim, int) for dim in spec.shape):
        axes = [axis for axis, dim in enumerate(spec.shape) if dim == 1]
        return True, Place(axes[0]) if len(axes) == 1 else None
    return False, None


def _alone(engine: Engine, batch: Batch) -> dict[str, Place | None]:
    """The places in the outputs of a model of one sample: axis 0 where that has always one entry."""
    runs = [engine.run(_rows(batch.inputs, [row])) for row in range(min(batch.size, _ALONE))]
    return {name: Place(0) if all(run[name].ndim and len(run[name]) == 1 for run in runs) else None for name in runs[0]}


def _reversed(engine: Engine, batch: Batch, fixed: int | None) -> dict[str, Place | None]:
    """The places from runs of the same samples in another order."""
    count = fixed or 2
    rows = [row % batch.size for row in range(count)]
    try:
        one = None if fixed else engine.run(_rows(batch.inputs, rows[:1]))
        some, back = (engine.run(_rows(batch.inputs, order)) for order in (rows, rows[::-1]))
    except DataError:
        return {}
    return {name: _place(None if one is None else one[name], some[name], back[name], count) for name in some}


def _place(one: NDArray[Any] | None, some: NDArray[Any], back: NDArray[Any], count: int) -> Place | None:
    """The place at which `back` holds the samples of `some` in reverse order, and `one` a single one."""
    if some.shape != back.shape or (one is not None and one.ndim != some.ndim):
        return None
    for axis, size in enumerate(some.shape):
        rest = one is None or _without(one.shape, axis) == _without(some.shape, axis)
        if size == count and rest and (one is None or one.shape[axis] == 1) and _alike(np.flip(some, axis), back):
            return Place(axis)
    block = len(some) // count if some.ndim else 0
    if block < 2 or len(some) != block * count or (one is not None and len(one) != block):
        return None
    first, second = (array.reshape(count, block, *some.shape[1:]) for array in (some, back))
    return Place(0, block) if _alike(first[::-1], second) else None


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def _alike(x: NDArray[Any], y: NDArray[Any]) -> bool:
    if x.dtype.kind != "f":
        return bool(np.array_equal(x, y))
    reach = float(np.abs(x[np.isfinite(x)]).max(initial=0.0))
    return bool(np.allclose(x, y, rtol=0.0, atol=_SAME * reach, equal_nan=True))


def _rows_of(engine: Engine, batch: Batch, places: Places) -> Arrays:
    """The outputs of a batch, one row per sample."""
    parts = []
    for part, inputs in padded_parts(batch, fixed_batch(engine)):
        count = len(next(iter(inputs.values())))
        outputs = engine.run(inputs)
        parts.append({name: _split(array, places.get(name), count, part.size) for name, array in outputs.items()})
    return concatenate(parts)


def _split(array: NDArray[Any], place: Place | None, count: int, size: int) -> NDArray[Any]:
    """One row for each of the first `size` of the `count` samples of a run."""
    fits = place is not None and array.ndim > place.axis and array.shape[place.axis] == count * place.block
    if place is None or not fits:
        if size > 1:
            raise _MisplacedError
        return array[None]
    if place.block > 1:
        return array.reshape(count, place.block, *array.shape[1:])[:size]
    return np.moveaxis(array, place.axis, 0)[:size]


def _single(batch: Batch) -> Iterator[Batch]:
    for row in range(batch.size):
        yield Batch(_rows(batch.inputs, [row]), _rows(batch.reference, [row]), batch.start + row)


def _rows(arrays: Arrays, rows: Sequence[int]) -> Arrays:
    return {name: array[list(rows)] for name, array in arrays.items()}
