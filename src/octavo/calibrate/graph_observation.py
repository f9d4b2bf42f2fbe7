"""Observe inside the model: an operator behind each tensor shows it to its range sketch.

ONNX Runtime keeps the tensors between convolutions in a layout of its own. What a model returns it writes out anew, and
all outputs together seldom fit in the cache: MobileNetV2 takes half as long again when every tensor is returned. Where
the operator stands, a tensor is read once more while it still is in the cache, and then let go.
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
    """For range sketches alone, of any number of batches at a time.

    Args:
        model: the prepared float model; not changed.
        tensors: what is observed.
        threads: threads inside an operator.

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
        """How many values all tensors had together."""
        values = 0
        for part, inputs in padded_parts(batch, self.fixed_batch):
            samples = np.array([part.size, self.fixed_batch or part.size], np.int64)
            values += int(self._session.run({**inputs, _SAMPLES: samples})[_SIZES].sum())
        return values


def add_sketches(model: ir.Model, tensors: Sequence[str], number: int) -> None:
    """Have the model show these tensors to the native sketches published under a number, and do no more.

    It then takes one more input, int64[2]: how many samples of the batch count, and how many it holds with those that
    pad it. Its one output is how many values each tensor has.

    Raises:
        ModelError: the model has no such tensor.
    """
    graph = model.graph
    values = named_values(graph, tensors)
    samples = _int64(_SAMPLES, 2)
    sizes = [_int64(f"{_SIZES}/{tensor}", 1) for tensor in range(len(tensors))]
    # ONNX Runtime takes up first what comes last: so each tensor is read as soon as it is there.
    place = {name: index for index, name in enumerate(values)}
    for tensor in sorted(range(len(tensors)), key=lambda tensor: place[tensors[tensor]], reverse=True):
        read = _as_float32(graph, values[tensors[tensor]])
        attributes = {"sketches": number, "tensor": tensor}
        graph.append(ir.node("Sketch", [read, samples], attributes, domain=_DOMAIN, outputs=[sizes[tensor]]))
    together = _int64(_SIZES, len(tensors))
    graph.append(ir.node("Concat", sizes, {"axis": 0}, outputs=[together]))
    graph.inputs.append(samples)
    graph.outputs.clear()
    graph.outputs.append(together)
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
