"""Observe tensors inside the model: a custom operator after each tensor updates its range sketch.

ONNX Runtime keeps tensors between convolutions in a blocked layout and converts those that a model returns, and all
outputs together rarely fit in the cache: MobileNetV2 takes 1.5 times as long when every tensor is an output. The
operator reads a tensor while it is still in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from octavo.calibrate.collector import HISTOGRAM_VALUES
from octavo.data import Batch, fixed_size, padded_parts
from octavo.engines.onnxruntime import Session
from octavo.graph.values import named_values
from octavo.native import kernels, operator_library
from octavo.ranges import Observer, RangeSketch

_SAMPLES, _SIZES = "octavo/samples", "octavo/sizes"
_DOMAIN = "octavo"


class GraphObservation:
    """Observation for range sketches only; batches may run concurrently.

    Args:
        model: the prepared float model; not modified.
        tensors: tensors to observe.
        threads: intra-op threads.

    Raises:
        ModelError: ONNX Runtime cannot load the model, or it lacks one of the tensors.
    """

    def __init__(self, model: ir.Model, tensors: Sequence[str], threads: int | None) -> None:
        self._tensors = tensors
        self._sketches = kernels().sketches(len(tensors), HISTOGRAM_VALUES)
        self._observers: list[RangeSketch] = []
        number = self._sketches.publish()
        self._session = Session(
            model, edit=lambda copy: add_sketches(copy, tensors, number), threads=threads, operators=operator_library()
        )
        self.fixed_batch = fixed_size([spec for spec in self._session.inputs if spec.name != _SAMPLES])

    def start(self, observers: Mapping[str, Observer]) -> None:
        self._observers = []
        for tensor, name in enumerate(self._tensors):
            observer = observers[name]
            assert isinstance(observer, RangeSketch)
            observer.lend(self._sketches, tensor)
            self._observers.append(observer)

    def observe(self, batch: Batch) -> None:
        self._run(batch)

    def settle(self) -> None:
        for tensor, observer in enumerate(self._observers):
            observer.settle(self._sketches, tensor)

    def nbytes(self, batch: Batch) -> int:
        return 4 * self._run(batch)

    def _run(self, batch: Batch) -> int:
        """Run; return the number of values of all tensors together."""
        values = 0
        for part, inputs in padded_parts(batch, self.fixed_batch):
            samples = np.array([part.size, self.fixed_batch or part.size], np.int64)
            values += int(self._session.run({**inputs, _SAMPLES: samples})[_SIZES].sum())
        return values


def add_sketches(model: ir.Model, tensors: Sequence[str], number: int) -> None:
    """Append sketch operators for these tensors, for the native sketches published under `number`.

    Adds an input, int64[2]: the number of samples to count, and the batch size including padding. The number of
    values of each tensor becomes the only output.

    Raises:
        ModelError: the model has no such tensor.
    """
    graph = model.graph
    values = named_values(graph, tensors)
    samples = _int64(_SAMPLES, 2)
    sizes = [_int64(f"{_SIZES}/{tensor}", 1) for tensor in range(len(tensors))]
    # ONNX Runtime schedules later nodes first: in reverse order each tensor is read right after it is computed.
    place = {name: index for index, name in enumerate(values)}
    for tensor in sorted(range(len(tensors)), key=lambda tensor: place[tensors[tensor]], reverse=True):
        read = _as_float32(graph, values[tensors[tensor]])
        attributes = {"sketches": number, "tensor": tensor}
        graph.append(ir.node("Sketch", [read, samples], attributes, domain=_DOMAIN, outputs=[sizes[tensor]]))
    all_sizes = _int64(_SIZES, len(tensors))
    graph.append(ir.node("Concat", sizes, {"axis": 0}, outputs=[all_sizes]))
    graph.inputs.append(samples)
    graph.outputs.clear()
    graph.outputs.append(all_sizes)
    model.opset_imports[_DOMAIN] = 1
    RemoveUnusedNodesPass()(model)


def _as_float32(graph: ir.Graph, value: ir.Value) -> ir.Value:
    if value.dtype == ir.DataType.FLOAT:
        return value
    cast = ir.node("Cast", [value], {"to": ir.DataType.FLOAT})
    graph.append(cast)
    cast.outputs[0].name = f"octavo/float32/{value.name}"
    return cast.outputs[0]


def _int64(name: str, size: int) -> ir.Value:
    return ir.Value(name=name, type=ir.TensorType(ir.DataType.INT64), shape=ir.Shape([size]))
