"""The quantization error of a layer's output as a function of factors on its channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.affine import fake_quantize, rule
from octavo.data import SampleSet
from octavo.data.runner import choose_batch, run_batch
from octavo.engines.onnxruntime import Session
from octavo.graph.linear import Linear
from octavo.graph.plan import Plan
from octavo.graph.weights import weight_params
from octavo.quantizer import Settings
from octavo.recover.layers.channels import Doubles
from octavo.recover.layers.im2col import sample_rows

Floats = NDArray[np.float32]

_SAMPLES = 256
_BATCH = 8
# Rows that are kept per layer, and elements in them.
_LEAST_ROWS, _ROWS = 256, 4096
_ELEMENTS = 1 << 20


def tensors(
    model: ir.Model,
    settings: Settings,
    names: Sequence[str],
    samples: SampleSet | None = None,
    batch_size: int = _BATCH,
) -> Iterator[dict[str, NDArray[Any]]]:
    """The named tensors of a float model over up to 256 samples, batch by batch, in one pass.

    Args:
        model: the float model.
        settings: the settings of the quantization.
        names: the tensors.
        samples: other samples than the settings' calibration samples.
        batch_size: samples in a run; that of the settings where they have one, and at most 8.
    """
    session = Session(model, outputs=list(dict.fromkeys(names)), threads=settings.threads)
    count = 0
    for batch in (samples or settings.samples).batches(
        choose_batch(session, settings.batch_size or min(batch_size, _BATCH))
    ):
        for _, outputs in run_batch(session, batch):
            yield outputs
        count += batch.size
        if count >= _SAMPLES:
            break


class Span:
    """The minimum and maximum of each channel, shape (channels,)."""

    def __init__(self, channels: int, axis: int) -> None:
        self._axis = axis
        self.low, self.high = np.full(channels, np.inf), np.full(channels, -np.inf)

    def update(self, x: NDArray[Any]) -> None:
        """Include a tensor, whose channels are on the axis of the constructor."""
        if not x.size:
            return
        others = tuple(axis for axis in range(x.ndim) if axis != self._axis % x.ndim)
        self.low, self.high = np.minimum(self.low, x.min(axis=others)), np.maximum(self.high, x.max(axis=others))

    @property
    def largest(self) -> Doubles:
        """The largest magnitude of each channel."""
        return np.asarray(np.maximum(np.abs(self.low), np.abs(self.high)))


class Reader:
    """A linear layer that reads a quantized tensor, with samples of that tensor."""

    def __init__(self, plan: Plan, layer: Linear, seed: int) -> None:
        self.layer, self._plan = layer, plan
        self._layer_plan = plan.layers[layer.node.name or ""]
        self._tensor = plan.tensors[self._layer_plan.inputs[0]]
        self._rng = np.random.default_rng(seed)
        self.span = Span(layer.inputs, layer.channel_axis)
        self._parts: list[Floats] = []

    @property
    def reads(self) -> str:
        """The name of the tensor."""
        return self._layer_plan.inputs[0]

    def update(self, x: NDArray[Any]) -> None:
        """Include the tensor of one batch."""
        self.span.update(x)
        terms = self.layer.inputs * (1 if self.layer.is_transposed_convolution else self.layer.weights.shape[3])
        most = int(np.clip(_ELEMENTS // terms, _LEAST_ROWS, _ROWS))
        self._parts.append(self._rows(x.astype(np.float32), -(-most * len(x) // _SAMPLES)))

    def rows(self) -> Floats:
        """The sampled rows that the weights are multiplied by, (groups, rows, terms)."""
        return np.concatenate(self._parts, axis=1)

    def error(self, factor: Doubles, by_output: Doubles) -> float:
        """The squared error of the output over the sampled rows with scaled input channels.

        Args:
            factor: factors on the input channels, (inputs,); the weights are divided by them.
            by_output: factors on the output channels, (outputs,).
        """
        params_from_range = rule(self._plan.target.rule).params_from_range
        low, high = (self.span.low * factor).min(), (self.span.high * factor).max()
        params = params_from_range(float(low), float(high), self._tensor.grid, symmetric=self._tensor.symmetric)
        rows = self.rows()
        expected = rows @ self._matrix(self.layer.scaled(np.ones(factor.size), by_output))
        weights = fake_quantized_weights(self._plan, self.layer, self.layer.scaled(1 / factor, by_output))
        actual = fake_quantize(rows * self._terms(factor)[:, None], params) @ self._matrix(weights)
        return float(np.square(actual - expected).sum(dtype=np.float64))

    def propagated_error(self, share: Doubles, by_output: Doubles) -> float:
        """The squared error of the output caused by noise of the input channels.

        Args:
            share: noise of each input channel as a share of its power, (inputs,).
            by_output: factors on the output channels, (outputs,).
        """
        power = np.square(self.rows()).sum(axis=1, dtype=np.float64) * self._terms(share)
        gain = np.square(self._matrix(self.layer.scaled(np.ones(share.size), by_output))).sum(axis=2)
        return float((power * gain).sum())

    def _rows(self, x: Floats, most: int) -> Floats:
        """Sampled rows; those of a ConvTranspose are the positions of its input, whose products are scattered."""
        groups = self.layer.weights.shape[0]
        if not self.layer.is_transposed_convolution:
            seed = int(self._rng.integers(1 << 31))
            return sample_rows(self.layer, [x], seed, most)
        flat = np.moveaxis(x, 1, -1).reshape(-1, self.layer.inputs)
        flat = flat[self._rng.permutation(len(flat))[:most]]
        return np.ascontiguousarray(flat.reshape(len(flat), groups, -1).transpose(1, 0, 2))

    def _matrix(self, weights: Doubles) -> Floats:
        """Weights of the common layout as a matrix, (groups, terms, outputs)."""
        groups, outputs, inputs, kernel = weights.shape
        if self.layer.is_transposed_convolution:
            return weights.transpose(0, 2, 1, 3).reshape(groups, inputs, -1).astype(np.float32)
        return weights.reshape(groups, outputs, inputs * kernel).transpose(0, 2, 1).astype(np.float32)

    def _terms(self, by_input: Doubles) -> Floats:
        """Values per input channel, repeated for every term, (groups, terms)."""
        groups, _, _, kernel = self.layer.weights.shape
        by_group = by_input.reshape(groups, -1)
        repeats = 1 if self.layer.is_transposed_convolution else kernel
        return np.repeat(by_group, repeats, axis=1).astype(np.float32)


def fake_quantized_weights(plan: Plan, layer: Linear, weights: Doubles) -> Doubles:
    """Weights of the common layout after fake-quantization by the plan; unchanged for a layer in float."""
    planned = plan.layers.get(layer.node.name or "")
    if planned is None or not planned.weights:
        return weights
    array = layer.from_common(weights).astype(np.float32)
    quantized = fake_quantize(array, weight_params(plan, planned, planned.weights[0], array))
    return layer.to_common(quantized).astype(np.float64)
