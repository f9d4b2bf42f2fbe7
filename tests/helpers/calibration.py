"""Calibration passes over small models: their results, and the samples that they ran."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper
from tests.helpers import models
from tests.helpers.models import Arrays, build, node, random

from octavo.calibrate import Calibration, run
from octavo.data import open_samples
from octavo.engines.onnxruntime import Session
from octavo.graph import input_specs, prepare
from octavo.ranges import Observer, RangeSketch
from octavo.system.progress import Silent

SAMPLES = 40
# Values per sample: from a few to more than the histogram counts, and the boundary cases.
SIZES = st.one_of(st.integers(1, 40), st.sampled_from([511, 512, 513, 1023, 1024, 1536, 5000]))


def values(*shape: int) -> NDArray[np.float32]:
    """Normally distributed values, deterministic per shape."""
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


def unary(*ops: str, shape: models.Shape = ("N", 24)) -> ir.Model:
    """A chain of unary operators with the tensors x, t1, t2, ..."""
    nodes = [node(op, ["x" if i == 0 else f"t{i}"], f"t{i + 1}") for i, op in enumerate(ops)]
    return prepared(build(nodes, {"x": shape}, {f"t{len(ops)}": shape}))


def tokens() -> onnx.ModelProto:
    """Sequences of dynamic length reshaped for MatMul: the first axis of some tensors is samples times tokens."""
    nodes = [
        node("Reshape", ["x", "flat"], "f"),
        node("MatMul", ["f", "w"], "m"),
        node("Relu", ["m"], "r"),
        node("Shape", ["x"], "s"),
        node("Reshape", ["r", "s"], "y"),
    ]
    weights = {"flat": np.array([-1, 64], np.int64), "w": random(64, 64)}
    return build(nodes, {"x": ["N", "T", 64]}, {"y": ["N", "T", 64]}, weights)


def time_first() -> onnx.ModelProto:
    """Samples along the second axis, as in recurrent networks."""
    nodes = [node("Transpose", ["x"], "t", perm=[1, 0, 2]), node("Relu", ["t"], "y")]
    return build(nodes, {"x": ["N", 30, 8]}, {"y": [30, "N", 8]})


def prepared(model: onnx.ModelProto) -> ir.Model:
    """The model prepared for calibration."""
    return prepare(ir.from_proto(model))


def inputs(model: ir.Model, samples: int = SAMPLES, **sizes: int) -> Arrays:
    """Random inputs; dynamic dimensions other than the first have the size in `sizes`."""
    rng, arrays = np.random.default_rng(0), {}
    for spec in input_specs(model):
        shape = (samples, *(sizes[dim] if isinstance(dim, str) else dim for dim in spec.shape[1:]))
        values = rng.normal(size=shape) if spec.dtype.kind == "f" else rng.integers(0, 8, shape)
        arrays[spec.name] = values.astype(spec.dtype)
    return arrays


def floats(model: ir.Model) -> list[str]:
    """The names of all float tensors, including inputs."""
    values = [*model.graph.inputs, *(value for node in model.graph for value in node.outputs)]
    return [value.name or "" for value in values if value.dtype == ir.DataType.FLOAT]


def calibrated(
    model: ir.Model,
    source: Any,
    names: Sequence[str] | None = None,
    observer: Callable[[], Observer] = RangeSketch,
    **options: Any,
) -> Calibration:
    """One calibration pass over all float tensors, or over those named."""
    tensors = dict.fromkeys(floats(model) if names is None else names, observer)
    return run(model, tensors, open_samples(source, input_specs(model)), **{"threads": 1, **options})


def serialized(calibration: Calibration) -> tuple[dict[str, bytes], list[bytes]]:
    """The observers' bytes and the sample hashes, which must not depend on batching or interruptions."""
    return {name: observer.to_bytes() for name, observer in calibration.observers.items()}, calibration.sample_hashes


def reference_values(model: ir.Model, feeds: Arrays, batch: int) -> Arrays:
    """The values of all float tensors from ONNX Runtime, run with `batch` samples at a time."""
    proto = ir.to_proto(model)
    inner = [name for name in floats(model) if name not in feeds]
    del proto.graph.output[:]
    proto.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    parts = [
        session.run(inner, {name: array[start : start + batch] for name, array in feeds.items()})
        for start in range(0, len(next(iter(feeds.values()))), batch)
    ]
    outputs = {name: np.concatenate([part[i] for part in parts]) for i, name in enumerate(inner)}
    return {**outputs, **{name: array for name, array in feeds.items() if array.dtype == np.float32}}


class Stopping(Silent):
    """Progress that raises `error` after `after` samples."""

    def __init__(self, after: int, error: BaseException) -> None:
        self._left, self._error = after, error

    def advance(self, steps: int = 1) -> None:
        self._left -= steps
        if self._left <= 0:
            raise self._error


class Counter:
    """Session.run that also counts its samples."""

    def __init__(self) -> None:
        self.samples = 0
        self._run = Session.run

    def patch(self) -> Callable[[Session, Arrays], Arrays]:
        """The replacement of Session.run."""

        def counting(session: Session, feeds: Arrays) -> Arrays:
            self.samples += len(next(iter(feeds.values())))
            return self._run(session, feeds)

        return counting


def rewritten(path: Path, **members: bytes) -> None:
    """Replace members of a checkpoint, with valid lengths and checksums."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**content, **members}.items():
            archive.writestr(name, data)
