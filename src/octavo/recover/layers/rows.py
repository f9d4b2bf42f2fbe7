"""What layers read, as matrices and as ranges of channels; what rounding it costs their outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.affine import fake_quantize, rule
from octavo.data.runner import choose_batch, run_batch
from octavo.engines.onnxruntime import Session
from octavo.graph.linear import Linear
from octavo.graph.plan import Plan
from octavo.graph.weights import weight_params
from octavo.quantizer import Settings, State
from octavo.recover.layers.channels import Doubles
from octavo.recover.layers.im2col import sample_rows

Floats = NDArray[np.float32]

_SAMPLES = 256
_BATCH = 8
_ROWS = 4096
_SIZE = 1 << 20


def tensors(model: ir.Model, settings: Settings, names: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
    """Some tensors of a float model over up to 256 calibration samples, batch by batch, in one pass."""
    session = Session(model, outputs=list(dict.fromkeys(names)), threads=settings.threads)
    count = 0
    for batch in settings.samples.batches(choose_batch(session, _BATCH)):
        for _, outputs in run_batch(session, batch):
            yield outputs
        count += batch.size
        if count >= _SAMPLES:
            break


class Span:
    """The least and the largest number of each channel, shape (channels,)."""

    def __init__(self, channels: int, axis: int) -> None:
        self._axis = axis
        self.low, self.high = np.full(channels, np.inf), np.full(channels, -np.inf)

    def update(self, x: NDArray[Any]) -> None:
        """Add a tensor, whose channels are on the axis given."""
        flat = np.moveaxis(x, self._axis, -1).reshape(-1, self.low.size).astype(np.float64)
        self.low, self.high = np.minimum(self.low, flat.min(axis=0)), np.maximum(self.high, flat.max(axis=0))

    @property
    def largest(self) -> Doubles:
        """The largest magnitude of each channel."""
        return np.asarray(np.maximum(np.abs(self.low), np.abs(self.high)))


class Reader:
    """A layer that reads a tensor on a grid through its weights."""

    def __init__(self, state: State, layer: Linear) -> None:
        self.layer, self._plan = layer, state.plan
        self._layer_plan = state.plan.layers[layer.node.name or ""]
        self._tensor = state.plan.tensors[self._layer_plan.inputs[0]]
        self._rng = np.random.default_rng(state.settings.seed)
        self.span = Span(layer.inputs, layer.channel_axis)
        self._parts: list[Floats] = []

    @property
    def reads(self) -> str:
        """The name of the tensor."""
        return self._layer_plan.inputs[0]

    def update(self, x: NDArray[Any]) -> None:
        """Take the tensor of a batch in."""
        self.span.update(x)
        terms = self.layer.inputs * (1 if self.layer.is_transposed_convolution else self.layer.weights.shape[3])
        most = int(np.clip(_SIZE // terms, 256, _ROWS))
        self._parts.append(self._rows(x.astype(np.float32), -(-most * len(x) // _SAMPLES)))

    def rows(self) -> Floats:
        """What the weights are multiplied by, (groups, rows, terms)."""
        return np.concatenate(self._parts, axis=1)

    def error(self, factor: Doubles, by_output: Doubles) -> float:
        """The squared error of the output over the rows, once channels of the input are multiplied by a factor.

        Args:
            factor: (inputs,); the weights are divided by it.
            by_output: (outputs,), factors on the output.
        """
        params_from_range = rule(self._plan.target.rule).params_from_range
        low, high = (self.span.low * factor).min(), (self.span.high * factor).max()
        params = params_from_range(float(low), float(high), self._tensor.grid, symmetric=self._tensor.symmetric)
        rows = self.rows()
        right = rows @ self._matrix(self.layer.scaled(np.ones(factor.size), by_output))
        weights = rounded(self._plan, self.layer, self.layer.scaled(1 / factor, by_output))
        given = fake_quantize(rows * self._terms(factor)[:, None], params) @ self._matrix(weights)
        return float(np.square(given - right).sum(dtype=np.float64))

    def passed_on(self, share: Doubles, by_output: Doubles) -> float:
        """The squared error of the output where each input channel carries noise, as a share of its power."""
        power = np.square(self.rows()).sum(axis=1, dtype=np.float64) * self._terms(share)
        gain = np.square(self._matrix(self.layer.scaled(np.ones(share.size), by_output))).sum(axis=2)
        return float((power * gain).sum())

    def _rows(self, x: Floats, most: int) -> Floats:
        """A transposed Conv adds up what each place of its input gives: its rows are the places."""
        groups = self.layer.weights.shape[0]
        if not self.layer.is_transposed_convolution:
            seed = int(self._rng.integers(1 << 31))
            return sample_rows(self.layer, [x], seed, most)
        flat = np.moveaxis(x, 1, -1).reshape(-1, self.layer.inputs)
        flat = flat[self._rng.permutation(len(flat))[:most]]
        return np.ascontiguousarray(flat.reshape(len(flat), groups, -1).transpose(1, 0, 2))

    def _matrix(self, weights: Doubles) -> Floats:
        """Weights of the common shape as (groups, terms, outputs)."""
        groups, outputs, inputs, kernel = weights.shape
        if self.layer.is_transposed_convolution:
            return weights.transpose(0, 2, 1, 3).reshape(groups, inputs, -1).astype(np.float32)
        return weights.reshape(groups, outputs, inputs * kernel).transpose(0, 2, 1).astype(np.float32)

    def _terms(self, by_input: Doubles) -> Floats:
        """One number an input channel as one a term, (groups, terms)."""
        groups, _, _, kernel = self.layer.weights.shape
        spread = by_input.reshape(groups, -1)
        repeats = 1 if self.layer.is_transposed_convolution else kernel
        return np.repeat(spread, repeats, axis=1).astype(np.float32)


def rounded(plan: Plan, layer: Linear, weights: Doubles) -> Doubles:
    """Weights of the common shape as the plan rounds them; as they are for a layer in float."""
    found = plan.layers.get(layer.node.name or "")
    if found is None or not found.weights:
        return weights
    array = layer.from_common(weights).astype(np.float32)
    rounded_array = fake_quantize(array, weight_params(plan, found, found.weights[0], array))
    return layer.to_common(rounded_array).astype(np.float64)
