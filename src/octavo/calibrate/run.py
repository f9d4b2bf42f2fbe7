"""One pass over the samples, with an observer on every tensor that will be quantized."""

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
# What the observed tensors of one batch may take together: more would only push them out of the cache. But each run
# reads all weights, so where they take more, a batch may as well. The last is for observers whose result depends on
# the batches.
_BATCH_BYTES, _MOST_BATCH_BYTES, _ORDERED_BATCH_BYTES = 1 << 23, 1 << 25, 1 << 25
_LARGEST_BATCH = 256
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

    Ends and counts are exact over all values; histograms count a fixed part of each sample. However
    the samples are batched, and however often the pass is interrupted and resumed, mergeable
    observers end with the same bytes.

    Args:
        model: the prepared float model.
        tensors: what to observe, and how to make each observer.
        samples: checked against the model's inputs.
        checkpoint: where the state is kept while the pass runs; a state of the same model, data and
            settings that is found there is resumed. It is removed at the end.
        batch_size: samples a run; chosen so that the observed tensors stay small by default.
        threads: threads that batches which run at once share; all cores by default. Batches do so where their size
            is chosen here and no observer minds their order.
        identify: keep a hash of each sample, by which others are known to be the same; with a checkpoint always.

    Raises:
        DataError: a sample does not fit the model, or the data changed since the checkpoint.
        ModelError: ONNX Runtime cannot load the model.
    """
    observers = {name: make() for name, make in tensors.items()}
    in_graph = all(isinstance(each, RangeSketch) for each in observers.values()) and _internal(model, observers)
    workers = min(threads or _cores(), _MAX_WORKERS) if in_graph and not batch_size and not samples.streamed else 1
    # They share the threads inside an operator, and each brings its own.
    inner = threads if workers == 1 else (threads or _cores()) - workers + 1
    observation = (GraphObservation if in_graph else OutputObservation)(model, list(tensors), inner)
    room, most = (_room(model), _LARGEST_BATCH) if in_graph else (_ORDERED_BATCH_BYTES, DEFAULT_BATCH)
    size = batch_size or _batch_size(observation, samples, room, most)
    identify = identify or checkpoint is not None
    job = _Pass(observation, observers, samples, size, checkpoint, progress or Silent(), identify, workers)
    if checkpoint is not None:
        job.resume(_key(model, tensors, samples, size))
    return job.run()


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
        self.position, self.whole = 0, True
        self.started = monotonic()

    def resume(self, key: str) -> None:
        """Take up the state of an earlier pass, if there is one."""
        self.key = key
        assert self.checkpoint is not None
        found = read_checkpoint(self.checkpoint, key)
        if set(found.observers) != set(self.observers):
            return
        try:
            observers = {name: type(each).from_bytes(found.observers[name]) for name, each in self.observers.items()}
        except ValueError:
            # Damaged: begin anew, as without a checkpoint.
            return
        self.state = found
        self.observers = observers

    def run(self) -> Calibration:
        """Take all samples that were not taken before."""
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
                self._take(batch, done, workers)
                if self.checkpoint and monotonic() - written > _SECONDS_BETWEEN_CHECKPOINTS:
                    self._write(workers)
                    written = monotonic()
            if self.position < done:
                raise self._changed()
            workers.wait()
        except UserError:
            # Other data, or another place, are needed to go on: what was kept helps no more.
            if self.checkpoint and not done:
                remove_checkpoint(self.checkpoint)
            raise
        except BaseException:
            # An interrupt while a batch is handed over leaves in doubt whether it counts: the last checkpoint stands.
            if self.checkpoint and self.whole and self.position >= done:
                with suppress(UserError):
                    self._write(workers)
            raise
        self.progress.done()

    def _take(self, batch: Batch, done: int, workers: BatchWorkers) -> None:
        hashes = sample_hashes(batch) if self.identify else [b""] * batch.size
        if self.position < done:
            known = self.state.hashes[self.position : self.position + len(hashes)]
            if known != hashes:
                raise self._changed()
        else:
            self.whole = False
            workers.observe(batch)
            self.state.hashes.extend(hashes)
            self.whole = True
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
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _internal(model: ir.Model, tensors: Mapping[str, Observer]) -> bool:
    """Whether any of the tensors asks for a run of the model."""
    return not tensors.keys() <= {value.name for value in model.graph.inputs}


def _room(model: ir.Model) -> int:
    """What the observed tensors of a batch may take, in bytes."""
    return int(np.clip(tensor_bytes(model), _BATCH_BYTES, _MOST_BATCH_BYTES))


def _batch_size(observation: Observation, samples: SampleSet, room: int, most: int) -> int:
    """As many samples as keep the observed tensors within bounds, told by the first; iterables bring their own."""
    if samples.length is None:
        return DEFAULT_BATCH
    if observation.fixed_batch:
        return observation.fixed_batch
    per_sample = observation.nbytes(next(iter(samples.batches(1))))
    return int(np.clip(room // max(per_sample, 1), 1, most))


def _key(model: ir.Model, tensors: Mapping[str, Callable[[], Observer]], samples: SampleSet, batch_size: int) -> str:
    digest = hashlib.sha256()
    for value in model.graph.initializers.values():
        if value.const_value is not None:
            digest.update(f"{value.name}:{value.const_value.dtype}:{value.const_value.shape}".encode())
            digest.update(value.const_value.tobytes())
    for node in model.graph:
        # As serialized: printed nodes leave out what is long, such as the weights of subgraphs.
        digest.update(ir.to_proto(node).SerializeToString(deterministic=True))
    digest.update(_settings(tensors, samples, batch_size))
    return digest.hexdigest()


def _settings(tensors: Mapping[str, Callable[[], Observer]], samples: SampleSet, batch_size: int) -> bytes:
    observers = sorted((name, getattr(make, "__name__", type(make()).__name__)) for name, make in tensors.items())
    return repr((observers, samples.sha256(), samples.length, batch_size)).encode()
