"""Observe tensors as outputs of the model, in the order of the samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from octavo.calibrate.collector import collect
from octavo.data import Batch, fixed_size, run_batch
from octavo.data.samples import Arrays
from octavo.engines.onnxruntime import Session
from octavo.ranges import Observer


class OutputObservation:
    """Observation for all kinds of observers, one batch at a time.

    Args:
        model: the prepared float model.
        tensors: tensors to observe; the model is not run for its inputs alone.
        threads: intra-op threads.

    Raises:
        ModelError: ONNX Runtime cannot load the model.
    """

    def __init__(self, model: ir.Model, tensors: Sequence[str], threads: int | None) -> None:
        inputs = {value.name or "" for value in model.graph.inputs}
        inner = [name for name in tensors if name not in inputs]
        self._session = Session(model, outputs=inner, threads=threads, reuse=True) if inner else None
        self._observers: Mapping[str, Observer] = {}
        self.fixed_batch = fixed_size(self._session.inputs) if self._session else None

    def start(self, observers: Mapping[str, Observer]) -> None:
        self._observers = observers

    def observe(self, batch: Batch) -> None:
        for part, outputs in run_batch(self._session, batch) if self._session else [(batch, Arrays())]:
            arrays = {**part.inputs, **outputs}
            for name, observer in self._observers.items():
                collect(observer, arrays[name], part.size)

    def settle(self) -> None:
        pass

    def nbytes(self, batch: Batch) -> int:
        outputs = self._session.run(batch.inputs) if self._session else batch.inputs
        return sum(array.nbytes for array in outputs.values())
