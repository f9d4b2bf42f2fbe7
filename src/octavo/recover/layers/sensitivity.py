"""The output error that the quantization of each layer causes, by an estimate and by measurement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import ceil, log2
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.affine import fake_quantize
from octavo.data import Arrays
from octavo.engines.onnxruntime import Session
from octavo.graph.linear import LINEAR_OPS, linear, multiply_accumulates
from octavo.quantizer import State
from octavo.recover.layers.capture import Captured
from octavo.recover.layers.im2col import integer_matrix, sample_rows
from octavo.recover.layers.raising import raised
from octavo.recover.layers.rows import tensors
from octavo.recover.layers.walk import Walk, calibration_batches

Floats = NDArray[np.float32]
_FLOAT_BITS = 32.0
_ROWS = 1024
_SAMPLES = 64
# Values of a tensor that are read of a batch.
_VALUES = 1 << 16


def own_errors(state: State) -> dict[str, float]:
    """The relative error of each linear layer quantized alone, |W^ x^ - W x|^2 / |W x|^2 with x the float input.

    Takes one pass over some calibration samples. To first order these errors add up at the output, so they rank
    layers without quantizing one at a time.
    """
    settings = state.settings
    batches = calibration_batches(settings.samples, state.model, settings.threads)
    walk = Walk(state.model, batches, settings.threads)
    nodes = {node.name: node for node in state.model.graph}
    errors: dict[str, float] = {}
    for layer in state.plan.layers.values():
        view = linear(nodes[layer.name])
        if view is None:
            continue
        walk.until(layer.name)
        value = view.node.inputs[0]
        assert value is not None
        rows = sample_rows(view, walk.tensor(value.name or ""), settings.seed, _ROWS)
        hat = integer_matrix(view, state.constants[layer.name, 1])
        expected = rows @ view.matrix.transpose(0, 2, 1)
        params = state.activations.get(layer.inputs.get(0, ""))
        actual = (rows if params is None else fake_quantize(rows, params)) @ hat.transpose(0, 2, 1)
        size = float(np.square(expected).sum(dtype=np.float64))
        # Without the mean of each channel, which bias correction removes.
        error = (actual - expected) - (actual - expected).mean(axis=1, keepdims=True)
        errors[layer.name] = float(np.square(error).sum(dtype=np.float64)) / size if size > 0 else 0.0
    return errors


def shares(errors: dict[str, float]) -> dict[str, float]:
    """Each layer's share of the sum of `own_errors`, from 0 to 1."""
    total = sum(errors.values())
    return {name: error / total for name, error in errors.items()} if total > 0 else {}


def rounding_errors(state: State) -> dict[str, float]:
    """The relative error of what each layer without constant weights reads, |x^ - x|^2 / |x|^2 at worst.

    Takes one pass over some calibration samples.
    """
    nodes = {node.name: node for node in state.model.graph}
    layers = [layer for layer in state.plan.layers.values() if linear(nodes[layer.name]) is None and layer.inputs]
    names = list(dict.fromkeys(name for layer in layers for name in layer.inputs.values()))
    observed = {name: state.plan.tensors[name].source for name in names}
    signal, noise = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for values in _some(tensors(state.model, state.settings, list(observed.values()))) if names else ():
        for name, source in observed.items():
            x = values[source].astype(np.float32, copy=False).reshape(-1)[:: max(1, values[source].size // _VALUES)]
            signal[name] += float(np.square(x).sum(dtype=np.float64))
            noise[name] += float(np.square(fake_quantize(x, state.activations[name]) - x).sum(dtype=np.float64))
    errors = {name: noise[name] / signal[name] if signal[name] > 0 else 0.0 for name in names}
    return {layer.name: max(errors[name] for name in layer.inputs.values()) for layer in layers}


def _some(batches: Iterator[dict[str, NDArray[Any]]]) -> Iterator[dict[str, NDArray[Any]]]:
    return islice(batches, _SAMPLES // 8)


def error_reductions(
    state: State, layers: Sequence[str], captured: Mapping[str, Captured] | None = None
) -> dict[str, float]:
    """The reduction of the model's squared output error, as a share of it, by raising one layer at a time.

    Measured on up to 64 calibration samples; negative where the error grows.

    Args:
        state: the quantization.
        layers: names of layers of its plan.
        captured: what the layers read in the float model, to correct the biases of each candidate.
    """
    settings = state.settings
    batches = _first(calibration_batches(settings.samples, state.model, settings.threads))
    expected = _outputs(state.reference, batches, settings.threads)
    total = _squared_error(expected, _outputs(raised(state, [], captured).quantized, batches, settings.threads))
    reductions: dict[str, float] = {}
    settings.progress.start("one layer at a time", len(layers))
    for layer in layers:
        error = _squared_error(
            expected, _outputs(raised(state, [layer], captured).quantized, batches, settings.threads)
        )
        reductions[layer] = 1.0 - error / total if total > 0 else 0.0
        settings.progress.advance()
    settings.progress.done()
    return reductions


def macs(state: State) -> dict[str, float]:
    """Multiply-accumulates of each linear operator for one sample, including those that stay in float."""
    shapes = _shapes(state)
    return {node.name or "": multiply_accumulates(node, shapes) for node in _linear_nodes(state)}


def output_elements(state: State) -> float:
    """The number of output elements of all linear operators for one sample."""
    shapes = _shapes(state)
    return float(sum(np.prod(shapes[node.outputs[0].name or ""]) for node in _linear_nodes(state)))


def _linear_nodes(state: State) -> list[ir.Node]:
    return [node for node in state.model.graph if node.op_type in LINEAR_OPS]


def _shapes(state: State) -> dict[str, tuple[int, ...]]:
    """Shapes of the inputs and outputs of all linear operators for one sample."""
    batch = {name: array[:1] for name, array in next(iter(state.settings.samples.batches(1))).inputs.items()}
    nodes = _linear_nodes(state)
    names = [node.outputs[0].name or "" for node in nodes]
    read = [value.name or "" for node in nodes for value in node.inputs[:2] if value and value.producer() is not None]
    shapes = {n: a.shape for n, a in Session(state.model, outputs=[*dict.fromkeys([*names, *read])]).run(batch).items()}
    shapes.update(
        {value.name or "": value.shape.numpy() for value in state.model.graph.initializers.values() if value.shape}
    )
    shapes.update({name: array.shape for name, array in batch.items()})
    return shapes


def bit_operations(state: State, work: Mapping[str, float]) -> dict[str, float]:
    """Multiply-accumulates times the bits of both operands, 32 in float (van Baalen et al. 2020, equation 20).

    Args:
        state: the quantization.
        work: multiply-accumulates of each layer, from `macs`.
    """
    return {name: count * _bits(state, name) for name, count in work.items()}


def _bits(state: State, name: str) -> float:
    layer = state.plan.layers.get(name)
    if layer is None:
        return _FLOAT_BITS**2
    weights = [log2(state.constants[name, weight.index].params.grid.levels) for weight in layer.weights]
    inputs = [log2(state.plan.tensors[tensor].grid.levels) for tensor in layer.inputs.values()]
    first, second = [*(ceil(bits) for bits in weights), *inputs, _FLOAT_BITS][:2]
    return first * second


def _first(batches: list[Arrays]) -> list[Arrays]:
    """The first batches, up to 64 samples."""
    first, count = [], 0
    for batch in batches:
        first.append(batch)
        count += len(next(iter(batch.values())))
        if count >= _SAMPLES:
            break
    return first


def _outputs(model: ir.Model, batches: Sequence[Arrays], threads: int | None) -> list[Arrays]:
    session = Session(model, threads=threads)
    return [session.run(batch) for batch in batches]


def _squared_error(expected: Sequence[Arrays], actual: Sequence[Arrays]) -> float:
    total = 0.0
    for one, two in zip(expected, actual, strict=True):
        for name, array in one.items():
            if array.dtype.kind == "f":
                total += float(np.square(array - two[name]).sum(dtype=np.float64))
    return total
