"""Walk through a model layer by layer over some samples, each node run once.

Between two stops only the tensors that later nodes read are kept, so that a layer's inputs are there when
it is its turn, with all that was changed in the layers before it.
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

_SAMPLES = 256
_BYTES = 1 << 29


def calibration_batches(samples: SampleSet, model: ir.Model, threads: int | None = None) -> list[Arrays]:
    """The first calibration samples, up to 256 and as many as keep a walk over the model in bounded memory."""
    found: list[Arrays] = []
    count, most, fixed = 0, _SAMPLES, _fixed_batch(model)
    for batch in samples.batches(fixed or DEFAULT_BATCH):
        parts = [batch.inputs] if fixed is None else list(_of_size(batch.inputs, batch.size, fixed))
        if not found:
            most = int(np.clip(_BYTES // max(_bytes_a_sample(model, parts[0], fixed, threads), 1), 16, _SAMPLES))
        found.extend(parts)
        count += batch.size
        if count >= most:
            break
    return found


class Walk:
    """The tensors of a model on the way through it; what is changed in its constants counts from then on.

    Args:
        model: float or quantized; constants of nodes not yet reached may be changed on the way.
        batches: the model's inputs.
        threads: threads of ONNX Runtime.
    """

    def __init__(self, model: ir.Model, batches: Sequence[Arrays], threads: int | None = None) -> None:
        self._model, self._threads = model, threads
        self._nodes = list(model.graph)
        self._place = 0
        self._live: list[dict[str, NDArray[Any]]] = [dict(batch) for batch in batches]
        self._last_read = _last_readers(self._nodes)

    def fork(self) -> Walk:
        """Another walk from here over the same model."""
        other = copy(self)
        other._live = [dict(live) for live in self._live]
        return other

    def until(self, name: str) -> None:
        """Run all nodes in front of the node of that name."""
        stop = next(i for i, node in enumerate(self._nodes) if node.name == name)
        if stop > self._place:
            self._run(self._nodes[self._place : stop], stop)

    def tensor(self, name: str) -> list[NDArray[Any]]:
        """A tensor that the next node reads, one array a batch."""
        return [live[name] for live in self._live]

    def _run(self, nodes: list[ir.Node], stop: int) -> None:
        written = {value.name: value for node in nodes for value in node.outputs if value.name}
        wanted = [name for name in written if self._last_read.get(name, -1) >= stop]
        read = {value.name for node in nodes for value in _reads(node)} - written.keys()
        inputs = [name for name in self._live[0] if name in read]
        if wanted:
            dtypes = {name: ir.DataType.from_numpy(self._live[0][name].dtype) for name in inputs}
            session = Session(extract(self._model, nodes, dtypes, wanted), threads=self._threads)
            for live in self._live:
                live.update(session.run({name: live[name] for name in inputs}))
        self._place = stop
        for live in self._live:
            for name in [name for name in live if self._last_read.get(name, -1) < stop]:
                del live[name]


def _reads(node: ir.Node) -> Iterator[ir.Value]:
    yield from (value for value in node.inputs if value is not None)


def _last_readers(nodes: Sequence[ir.Node]) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, node in enumerate(nodes):
        for value in _reads(node):
            found[value.name or ""] = place
    return found


def walkable(model: ir.Model) -> bool:
    """Whether the graph can be cut into pieces: subgraphs read tensors that no input names."""
    return not any(has_subgraph(node) for node in model.graph)


def _fixed_batch(model: ir.Model) -> int | None:
    leading = [value.shape[0] for value in model.graph.inputs if value.shape is not None and len(value.shape)]
    return next((dim for dim in leading if isinstance(dim, int)), None)


def _of_size(inputs: Arrays, size: int, fixed: int) -> Iterator[Arrays]:
    """Batches of the one size that a model takes; what is missing from the last is its last sample again."""
    for start in range(0, size, fixed):
        rows = np.minimum(np.arange(start, start + fixed), size - 1)
        yield {name: array[rows] for name, array in inputs.items()}


def _bytes_a_sample(model: ir.Model, inputs: Arrays, fixed: int | None, threads: int | None) -> int:
    """The largest sum of tensors alive at a time, taken as a quarter of all that the model writes."""
    names = [v.name or "" for node in model.graph for v in node.outputs if v.dtype == ir.DataType.FLOAT and v.name]
    few = inputs if fixed else {name: array[:1] for name, array in inputs.items()}
    found = Session(model, outputs=names, threads=threads).run(few)
    return sum(array.nbytes for array in found.values()) // 4 // (fixed or 1)
