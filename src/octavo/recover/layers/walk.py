"""Run a model layer by layer over a few samples, every node once.

Between two stops only the tensors that later nodes read are kept: the inputs of the next layer, computed with every
change made to the layers before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.data import Arrays, SampleSet
from octavo.data.runner import DEFAULT_BATCH
from octavo.engines.onnxruntime import Session
from octavo.graph.extract import extract
from octavo.graph.operators import has_subgraph

_SAMPLES, _LEAST_SAMPLES = 256, 16
# Limit on the tensors that are alive at one time.
_BYTES = 1 << 29


def calibration_batches(samples: SampleSet, model: ir.Model, threads: int | None = None) -> list[Arrays]:
    """The first calibration samples: at most 256, fewer where a walk over the model would need too much memory."""
    batches: list[Arrays] = []
    count, limit, fixed = 0, _SAMPLES, _fixed_batch(model)
    for batch in samples.batches(fixed or DEFAULT_BATCH):
        parts = [batch.inputs] if fixed is None else list(_of_size(batch.inputs, batch.size, fixed))
        if not batches:
            affordable = _BYTES // max(_bytes_per_sample(model, parts[0], fixed, threads), 1)
            limit = int(np.clip(affordable, _LEAST_SAMPLES, _SAMPLES))
        batches.extend(parts)
        count += batch.size
        if count >= limit:
            break
    return batches


class Walk:
    """A run of a model that stops in front of layers; changed constants take effect from there on.

    Args:
        model: float or quantized; constants of nodes that have not run yet may be replaced.
        batches: the model's inputs, by name.
        threads: threads of ONNX Runtime.
    """

    def __init__(self, model: ir.Model, batches: Sequence[Arrays], threads: int | None = None) -> None:
        self._model, self._threads = model, threads
        self._nodes = list(model.graph)
        self._position = 0
        self._live: list[dict[str, NDArray[Any]]] = [dict(batch) for batch in batches]
        self._last_read = _last_readers(self._nodes)

    def fork(self) -> Walk:
        """A second walk over the same model, from the current position."""
        other = copy(self)
        other._live = [dict(live) for live in self._live]
        return other

    def until(self, name: str) -> None:
        """Run all nodes in front of the node of that name, which must not have run yet."""
        stop = next(i for i, node in enumerate(self._nodes) if node.name == name)
        if stop > self._position:
            self._run(self._nodes[self._position : stop], stop)

    def tensor(self, name: str) -> list[NDArray[Any]]:
        """A tensor that the next node reads, one array per batch."""
        return [live[name] for live in self._live]

    def _run(self, nodes: list[ir.Node], stop: int) -> None:
        produced = {value.name: value for node in nodes for value in node.outputs if value.name}
        names = [name for name in produced if self._last_read.get(name, -1) >= stop]
        read = {value.name for node in nodes for value in _reads(node)} - produced.keys()
        inputs = [name for name in self._live[0] if name in read]
        if names:
            dtypes = {name: ir.DataType.from_numpy(self._live[0][name].dtype) for name in inputs}
            session = Session(extract(self._model, nodes, dtypes, names), threads=self._threads)
            for live in self._live:
                live.update(session.run({name: live[name] for name in inputs}))
        self._position = stop
        for live in self._live:
            for name in [name for name in live if self._last_read.get(name, -1) < stop]:
                del live[name]


def _reads(node: ir.Node) -> Iterator[ir.Value]:
    yield from (value for value in node.inputs if value is not None)


def _last_readers(nodes: Sequence[ir.Node]) -> dict[str, int]:
    """The position of the last node that reads each tensor."""
    last: dict[str, int] = {}
    for position, node in enumerate(nodes):
        for value in _reads(node):
            last[value.name or ""] = position
    return last


def walkable(model: ir.Model) -> bool:
    """Whether a `Walk` can run the model: subgraphs read outer tensors that are not among a node's inputs."""
    return not any(has_subgraph(node) for node in model.graph)


def _fixed_batch(model: ir.Model) -> int | None:
    leading = [value.shape[0] for value in model.graph.inputs if value.shape is not None and len(value.shape)]
    return next((dim for dim in leading if isinstance(dim, int)), None)


def _of_size(inputs: Arrays, size: int, fixed: int) -> Iterator[Arrays]:
    """Split a batch into batches of the fixed size of a model; the last is filled up with its last sample."""
    for start in range(0, size, fixed):
        rows = np.minimum(np.arange(start, start + fixed), size - 1)
        yield {name: array[rows] for name, array in inputs.items()}


def _bytes_per_sample(model: ir.Model, inputs: Arrays, fixed: int | None, threads: int | None) -> int:
    """An estimate of the bytes alive at one time: a quarter of all float tensors that the model writes."""
    names = [v.name or "" for node in model.graph for v in node.outputs if v.dtype == ir.DataType.FLOAT and v.name]
    first = inputs if fixed else {name: array[:1] for name, array in inputs.items()}
    tensors = Session(model, outputs=names, threads=threads).run(first)
    return sum(array.nbytes for array in tensors.values()) // 4 // (fixed or 1)
