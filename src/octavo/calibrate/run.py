"""One pass over the samples, with an observer for every tensor that will be quantized."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np
import onnx_ir as ir

from octavo.calibrate.calibration import Calibration
from octavo.calibrate.checkpoint import PassState, read_checkpoint, remove_checkpoint, write_checkpoint
from octavo.calibrate.graph_observation import GraphObservation
from octavo.calibrate.observation import Observation
from octavo.calibrate.output_observation import OutputObservation
from octavo.calibrate.workers import BatchWorkers
from octavo.data import Batch, SampleSet, sample_hashes
from octavo.data.runner import DEFAULT_BATCH
from octavo.errors import DataError, UserError
from octavo.graph.size import tensor_bytes
from octavo.ranges import Observer, RangeSketch
from octavo.system.progress import Progress, Silent

_SECONDS_BETWEEN_CHECKPOINTS = 2.0
# Size of the observed tensors of one batch: larger batches only exceed the cache. Each run reads all weights, so with
# larger weights a batch may be as large as they are. The last is for observers that depend on the batches.
_BATCH_BYTES, _MAX_BATCH_BYTES, _ORDERED_BATCH_BYTES = 1 << 23, 1 << 25, 1 << 25
_MAX_BATCH = 256
_MAX_WORKERS = 4


def run(
    model: ir.Model,
    tensors: Mapping[str, Callable[[], Observer]],
    samples: SampleSet,
    *,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    identify: bool = True,
) -> Calibration:
    """Run the float model over the samples and observe tensors.

    Minimum, maximum and counts are exact over all values; histograms count a fixed subsample. The bytes of mergeable
    observers do not depend on batching, nor on interrupts and resumes.

    Args:
        model: the prepared float model.
        tensors: factory of the observer of each tensor.
        samples: checked against the model's inputs.
        checkpoint: file for the state of the pass; a state of the same model, data and settings is resumed. Removed
            at the end.
        batch_size: samples per run; by default chosen so that the observed tensors stay small.
        threads: threads shared by concurrent batches; all cores by default. Batches run concurrently where
            `batch_size` is None and no observer depends on their order.
        identify: keep a hash of each sample, to recognize equal samples; always with a checkpoint.

    Raises:
        DataError: a sample does not match the model, or the data changed since the checkpoint.
        ModelError: ONNX Runtime cannot load the model.
    """
    observers = {name: make() for name, make in tensors.items()}
    in_graph = all(isinstance(observer, RangeSketch) for observer in observers.values()) and _needs_runs(
        model, observers
    )
    workers = min(threads or _cores(), _MAX_WORKERS) if in_graph and not batch_size and not samples.streamed else 1
    # Each worker thread computes too, besides the shared intra-op threads.
    intra_op = threads if workers == 1 else (threads or _cores()) - workers + 1
    observation = (GraphObservation if in_graph else OutputObservation)(model, list(tensors), intra_op)
    max_bytes, max_batch = (_max_batch_bytes(model), _MAX_BATCH) if in_graph else (_ORDERED_BATCH_BYTES, DEFAULT_BATCH)
    size = batch_size or _batch_size(observation, samples, max_bytes, max_batch)
    identify = identify or checkpoint is not None
    calibration = _Pass(observation, observers, samples, size, checkpoint, progress or Silent(), identify, workers)
    if checkpoint is not None:
        calibration.resume(_key(model, tensors, samples, size))
    return calibration.run()


@dataclass
class _Pass:
    observation: Observation
    observers: dict[str, Observer]
    samples: SampleSet
    batch_size: int
    checkpoint: Path | None
    progress: Progress
    identify: bool
    workers: int

    def __post_init__(self) -> None:
        self.state, self.key = PassState(), ""
        self.position, self.consistent = 0, True
        self.started = monotonic()

    def resume(self, key: str) -> None:
        """Continue from the state of an earlier pass, if there is one."""
        self.key = key
        assert self.checkpoint is not None
        stored = read_checkpoint(self.checkpoint, key)
        if set(stored.observers) != set(self.observers):
            return
        try:
            observers = {name: type(new).from_bytes(stored.observers[name]) for name, new in self.observers.items()}
        except ValueError:
            # Damaged: start as without a checkpoint.
            return
        self.state = stored
        self.observers = observers

    def run(self) -> Calibration:
        """Process all samples that the checkpoint does not contain."""
        self.observation.start(self.observers)
        with closing(BatchWorkers(self.observation, self.workers)) as workers:
            self._run(workers)
        if self.checkpoint:
            remove_checkpoint(self.checkpoint)
        return Calibration(self.observers, self.state.hashes, self._seconds())

    def _run(self, workers: BatchWorkers) -> None:
        done = len(self.state.hashes)
        self.progress.start("calibrate", self.samples.length)
        written = monotonic()
        try:
            for batch in self.samples.batches(self.batch_size):
                self._process(batch, done, workers)
                if self.checkpoint and monotonic() - written > _SECONDS_BETWEEN_CHECKPOINTS:
                    self._write(workers)
                    written = monotonic()
            if self.position < done:
                raise self._changed()
            workers.wait()
        except UserError:
            # Cannot continue with these data or this path, so the checkpoint is useless.
            if self.checkpoint and not done:
                remove_checkpoint(self.checkpoint)
            raise
        except BaseException:
            # If interrupted while submitting a batch, it is unknown whether the batch counts: keep the last checkpoint.
            if self.checkpoint and self.consistent and self.position >= done:
                with suppress(UserError):
                    self._write(workers)
            raise
        self.progress.done()

    def _process(self, batch: Batch, done: int, workers: BatchWorkers) -> None:
        hashes = sample_hashes(batch) if self.identify else [b""] * batch.size
        if self.position < done:
            known = self.state.hashes[self.position : self.position + len(hashes)]
            if known != hashes:
                raise self._changed()
        else:
            self.consistent = False
            workers.observe(batch)
            self.state.hashes.extend(hashes)
            self.consistent = True
        self.position += len(hashes)
        self.progress.advance(len(hashes))

    def _changed(self) -> DataError:
        return DataError(f"the data changed since {self.checkpoint} was written; delete that file")

    def _seconds(self) -> float:
        return self.state.seconds + monotonic() - self.started

    def _write(self, workers: BatchWorkers) -> None:
        assert self.checkpoint is not None
        workers.wait()
        write_checkpoint(self.checkpoint, self.key, self.observers, PassState(self.state.hashes, {}, self._seconds()))


def _cores() -> int:
    """Number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _needs_runs(model: ir.Model, tensors: Mapping[str, Observer]) -> bool:
    """Whether any tensor is not a model input."""
    return not tensors.keys() <= {value.name for value in model.graph.inputs}


def _max_batch_bytes(model: ir.Model) -> int:
    """Limit for the size of the observed tensors of a batch, in bytes."""
    return int(np.clip(tensor_bytes(model), _BATCH_BYTES, _MAX_BATCH_BYTES))


def _batch_size(observation: Observation, samples: SampleSet, max_bytes: int, max_batch: int) -> int:
    """Samples per run within `max_bytes`, measured on the first sample; iterables define their own batches."""
    if samples.length is None:
        return DEFAULT_BATCH
    if observation.fixed_batch:
        return observation.fixed_batch
    per_sample = observation.nbytes(next(iter(samples.batches(1))))
    return int(np.clip(max_bytes // max(per_sample, 1), 1, max_batch))


def _key(model: ir.Model, tensors: Mapping[str, Callable[[], Observer]], samples: SampleSet, batch_size: int) -> str:
    digest = hashlib.sha256()
    for value in model.graph.initializers.values():
        if value.const_value is not None:
            digest.update(f"{value.name}:{value.const_value.dtype}:{value.const_value.shape}".encode())
            digest.update(value.const_value.tobytes())
    for node in model.graph:
        # Serialized, because printed nodes abbreviate long values such as weights of subgraphs.
        digest.update(ir.to_proto(node).SerializeToString(deterministic=True))
    digest.update(_settings(tensors, samples, batch_size))
    return digest.hexdigest()


def _settings(tensors: Mapping[str, Callable[[], Observer]], samples: SampleSet, batch_size: int) -> bytes:
    observers = sorted((name, getattr(make, "__name__", type(make()).__name__)) for name, make in tensors.items())
    return repr((observers, samples.sha256(), samples.length, batch_size)).encode()
