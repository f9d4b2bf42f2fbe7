"""Run samples through an engine, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from octavo.data.samples import Arrays, Batch
from octavo.data.sampleset import SampleSet
from octavo.engines import Engine
from octavo.graph.spec import TensorSpec

DEFAULT_BATCH = 32


def run_batches(engine: Engine, samples: SampleSet, batch_size: int | None = None) -> Iterator[tuple[Batch, Arrays]]:
    """Each batch with the engine's outputs, padding for fixed batch sizes already removed."""
    for batch in samples.batches(choose_batch(engine, batch_size)):
        yield from run_batch(engine, batch)


def run_batch(engine: Engine, batch: Batch) -> Iterator[tuple[Batch, Arrays]]:
    """One batch, in as many runs as a model of fixed batch size needs."""
    fixed = fixed_batch(engine)
    for part, inputs in padded_parts(batch, fixed):
        outputs = engine.run(inputs)
        if fixed is not None and fixed != part.size:
            outputs = {name: _trimmed(array, fixed, part.size) for name, array in outputs.items()}
        yield part, outputs


def padded_parts(batch: Batch, fixed: int | None) -> Iterator[tuple[Batch, Arrays]]:
    """A batch as a model of fixed batch size takes it: parts of that size, each with inputs padded to it."""
    if fixed is None or fixed == batch.size:
        yield batch, batch.inputs
        return
    for start in range(0, batch.size, fixed):
        part = Batch(_rows(batch.inputs, start, fixed), _rows(batch.reference, start, fixed), batch.start + start)
        missing = fixed - part.size
        yield part, {name: _padded(array, missing) for name, array in part.inputs.items()}


def smallest_run(engine: Engine, samples: SampleSet) -> Arrays:
    """The inputs of one run: of the first sample, repeated for a model that insists on more at a time."""
    first = next(iter(samples.batches(1))).inputs
    return {name: _padded(array[:1], (fixed_batch(engine) or 1) - 1) for name, array in first.items()}


def choose_batch(engine: Engine, batch_size: int | None) -> int:
    """The model's own batch size where it is fixed, else the one asked for."""
    return fixed_batch(engine) or batch_size or DEFAULT_BATCH


def fixed_batch(engine: Engine) -> int | None:
    """The batch size a model insists on, or None when any will do."""
    return fixed_size(engine.inputs)


def fixed_size(inputs: Sequence[TensorSpec]) -> int | None:
    """The first axis that inputs insist on, or None when any will do."""
    leading = [spec.shape[0] for spec in inputs if spec.shape]
    return next((dim for dim in leading if isinstance(dim, int)), None)


def _rows(arrays: Arrays, start: int, count: int) -> Arrays:
    return {name: array[start : start + count] for name, array in arrays.items()}


def _padded(array: np.ndarray, missing: int) -> np.ndarray:
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array


def _trimmed(array: np.ndarray, fixed: int, size: int) -> np.ndarray:
    return array[:size] if array.ndim and array.shape[0] == fixed else array
