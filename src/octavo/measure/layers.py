"""Error of each tensor of the quantized model against the float model, and of its own grid alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.affine import QuantParams, fake_quantize, real_range
from octavo.data import Arrays, SampleSet, run_batch
from octavo.data.runner import fixed_batch
from octavo.engines.onnxruntime import Session
from octavo.graph.place import put_on_grid
from octavo.measure.decibels import decibels
from octavo.system.progress import Progress, Silent

Doubles = NDArray[np.float64]

_BATCH = 8
_ELEMENTS = 1 << 25
_SAMPLES = 128
_TYPICAL_OF = 4096


@dataclass(frozen=True)
class TensorError:
    """The error of one tensor over the samples.

    Attributes:
        sqnr_db: signal-to-quantization-noise ratio 10 log10(sum x^2 / sum (x - y)^2), including the errors of
            preceding layers.
        cosine: cosine similarity of x and y.
        own_sqnr_db: the same ratio for the float tensor, fake-quantized on its grid; None without a grid.
        clipped: share of values beyond the range of the grid.
        channel_ranges: largest |x| of each channel (axis 1; the last axis of rank-2 and rank-3 tensors).
        typical: 99th percentile of |x|, estimated on a random subsample.
        mean_shift: share of the squared error, from 0 to 1, that is each channel's mean error; a corrected bias removes
            it.
    """

    sqnr_db: float
    cosine: float
    own_sqnr_db: float | None
    clipped: float
    channel_ranges: Doubles
    typical: float
    mean_shift: float = 0.0


def counterparts(quantized: ir.Model) -> dict[str, str]:
    """Names of the dequantized tensors of a QDQ model, by the name of the float tensor."""
    names: dict[str, str] = {}
    for node in quantized.graph:
        if node.op_type != "DequantizeLinear" or node.inputs[0] is None:
            continue
        producer = node.inputs[0].producer()
        if producer is None:
            continue
        # Rows gathered from a quantized table have no QuantizeLinear.
        source = put_on_grid(producer) if producer.op_type == "QuantizeLinear" else node.inputs[0]
        if source is not None:
            names.setdefault(source.name or "", node.outputs[0].name or "")
    return names


def tensor_errors(
    model: ir.Model,
    quantized: ir.Model,
    names: Mapping[str, str],
    samples: SampleSet,
    *,
    params: Mapping[str, QuantParams] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, TensorError]:
    """Run both models over the samples and compare tensors.

    Args:
        model: the float model.
        quantized: the quantized model.
        names: tensors to compare: name in the float model -> name in the quantized model.
        samples: at most 128 are read, or about 30 million values.
        params: quantization parameters by name in the float model.

    Raises:
        ModelError: ONNX Runtime cannot load a model, or a tensor is missing.
    """
    inputs = {value.name for value in model.graph.inputs}
    names = {one: two for one, two in names.items() if one not in inputs}
    sums = {name: _Sums((params or {}).get(name)) for name in names}
    if not names:
        return {}
    first = Session(model, outputs=list(names), threads=threads)
    second = Session(quantized, outputs=list(dict.fromkeys(names.values())), threads=threads)
    watch, seen = progress or Silent(), 0
    watch.start("compare layers", None if samples.length is None else min(samples.length, _SAMPLES))
    for batch in samples.batches(fixed_batch(first) or _BATCH):
        for (_, floats), (_, rounded) in zip(run_batch(first, batch), run_batch(second, batch), strict=True):
            _take(sums, names, floats, rounded)
            seen += sum(array.size for array in floats.values())
        watch.advance(batch.size)
        if seen > _ELEMENTS or batch.start + batch.size >= _SAMPLES:
            break
    watch.done()
    return {name: total.result() for name, total in sums.items()}


def _take(sums: Mapping[str, _Sums], names: Mapping[str, str], floats: Arrays, rounded: Arrays) -> None:
    for one, two in names.items():
        if floats[one].dtype.kind == "f" and floats[one].shape == rounded[two].shape:
            sums[one].update(floats[one], rounded[two])


class _Sums:
    """Accumulates sums over batches in float64."""

    def __init__(self, params: QuantParams | None) -> None:
        self.params = params
        self.signal = self.other = self.product = self.noise = self.own = 0.0
        self.count = self.clipped = 0
        self.channels: Doubles = np.zeros(0)
        self.errors: Doubles = np.zeros(0)
        self.sizes: list[float] = []

    def update(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> None:
        # Ignore non-finite values of the float model, as calibration does.
        known = np.isfinite(x)
        if not known.all():
            x, y = np.where(known, x, np.float32(0)), np.where(known, y, np.float32(0))
        if x.size == 0:
            return
        difference = x - y
        self.signal += _dot(x, x)
        self.other += _dot(y, y)
        self.product += _dot(x, y)
        self.noise += _dot(difference, difference)
        self.count += x.size
        magnitude = np.abs(x)
        self.sizes.append(float(np.quantile(_subsample(magnitude.reshape(-1)), 0.99)))
        self._update_channels(magnitude)
        self._update_errors(difference)
        if self.params is not None:
            low, high = real_range(self.params)
            half = self.params.scale / 2
            own = x - fake_quantize(x, self.params)
            self.own += _dot(own, own)
            self.clipped += int(np.count_nonzero((x < low - half) | (x > high + half)))

    def _update_errors(self, difference: NDArray[np.float32]) -> None:
        if difference.ndim < 2:
            return
        total = difference.sum(axis=_not_channels(difference.ndim), dtype=np.float64)
        self.errors = self.errors + total if self.errors.shape == total.shape else total

    def _update_channels(self, magnitude: NDArray[np.float32]) -> None:
        if magnitude.ndim < 2:
            return
        largest = magnitude.max(axis=_not_channels(magnitude.ndim)).astype(np.float64)
        same = self.channels.shape == largest.shape
        self.channels = np.maximum(self.channels, largest) if same else largest

    def result(self) -> TensorError:
        both = float(np.sqrt(self.signal * self.other))
        alike = self.product / both if both > 0 else 1.0 if self.signal == self.other else 0.0
        return TensorError(
            sqnr_db=decibels(self.signal, self.noise),
            cosine=alike if isfinite(alike) else 0.0,
            own_sqnr_db=None if self.params is None else decibels(self.signal, self.own),
            clipped=self.clipped / max(self.count, 1),
            channel_ranges=self.channels,
            typical=float(np.median(self.sizes)) if self.sizes else 0.0,
            mean_shift=self._mean_shift(),
        )

    def _mean_shift(self) -> float:
        """The squared sum of each channel's errors over their number: the energy of the mean errors."""
        shift = float(np.square(self.errors).sum()) * self.errors.size / max(self.count, 1)
        return min(shift / self.noise, 1.0) if self.noise > 0 and isfinite(shift) else 0.0


def _not_channels(ndim: int) -> tuple[int, ...]:
    """All axes but that of the channels."""
    channel = 1 if ndim > 3 else ndim - 1
    return tuple(axis for axis in range(ndim) if axis != channel)


def _subsample(values: NDArray[np.float32]) -> NDArray[np.float32]:
    # Random, because a constant stride may hit the same few channels.
    if values.size <= _TYPICAL_OF:
        return values
    return values[np.random.default_rng(0).integers(0, values.size, _TYPICAL_OF)]


def _dot(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    # BLAS accumulates in float32; batches are small enough.
    with np.errstate(invalid="ignore", over="ignore"):  # broken models overflow
        return float(np.dot(x.reshape(-1), y.reshape(-1)))
