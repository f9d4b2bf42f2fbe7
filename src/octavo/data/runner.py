"""Run samples through an engine in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from octavo.data.samples import Arrays, Batch
from octavo.data.sampleset import SampleSet
from octavo.engines import Engine
from octavo.graph.spec import TensorSpec

DEFAULT_BATCH = 32


def run_batches(engine: Engine, samples: SampleSet, batch_size: int | None = None) -> Iterator[tuple[Batch, Arrays]]:
    """Yield each batch with the engine's outputs, without the padding of fixed batch sizes."""
    for batch in samples.batches(choose_batch(engine, batch_size)):
        yield from run_batch(engine, batch)


def run_batch(engine: Engine, batch: Batch) -> Iterator[tuple[Batch, Arrays]]:
    """Run one batch, split into several runs where the model has a fixed batch size."""
    fixed = fixed_batch(engine)
    for part, inputs in padded_parts(batch, fixed):
        outputs = engine.run(inputs)
        if fixed is not None and fixed != part.size:
            outputs = {name: _trimmed(array, fixed, part.size) for name, array in outputs.items()}
        yield part, outputs


def padded_parts(batch: Batch, fixed: int | None) -> Iterator[tuple[Batch, Arrays]]:
    """Split a batch for a model of fixed batch size; the inputs of each part are padded to that size."""
    if fixed is None or fixed == batch.size:
        yield batch, batch.inputs
        return
    for start in range(0, batch.size, fixed):
        part = Batch(_rows(batch.inputs, start, fixed), _rows(batch.reference, start, fixed), batch.start + start)
        missing = fixed - part.size
        yield part, {name: _padded(array, missing) for name, array in part.inputs.items()}


def smallest_run(engine: Engine, samples: SampleSet) -> Arrays:
    """The inputs of one run: the first sample, repeated up to a fixed batch size."""
    first = next(iter(samples.batches(1))).inputs
    return {name: _padded(array[:1], (fixed_batch(engine) or 1) - 1) for name, array in first.items()}


def choose_batch(engine: Engine, batch_size: int | None) -> int:
    """The fixed batch size of the model, else the requested or the default one."""
    return fixed_batch(engine) or batch_size or DEFAULT_BATCH


def fixed_batch(engine: Engine) -> int | None:
    """The fixed batch size of a model, or None where it is dynamic."""
    return fixed_size(engine.inputs)


def fixed_size(inputs: Sequence[TensorSpec]) -> int | None:
    """The static size of axis 0 of the inputs, or None where it is dynamic."""
    leading = [spec.shape[0] for spec in inputs if spec.shape]
    return next((dim for dim in leading if isinstance(dim, int)), None)


def _rows(arrays: Arrays, start: int, count: int) -> Arrays:
    return {name: array[start : start + count] for name, array in arrays.items()}


def _padded(array: np.ndarray, rows: int) -> np.ndarray:
    return np.concatenate([array, np.repeat(array[-1:], rows, axis=0)]) if rows else array


def _trimmed(array: np.ndarray, fixed: int, size: int) -> np.ndarray:
    return array[:size] if array.ndim and array.shape[0] == fixed else array
