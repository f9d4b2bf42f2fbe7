"""What each layer's own rounding costs, by a cheap proxy and by measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, log2

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.affine import INT16, UINT16, fake_quantize
from octavo.data import Arrays
from octavo.engines.onnxruntime import Session
from octavo.graph.linear import LINEAR_OPS, linear, multiply_accumulates
from octavo.quantizer import State, derive
from octavo.recover.layers.im2col import integer_matrix, sample_rows
from octavo.recover.layers.walk import Walk, calibration_batches

Floats = NDArray[np.float32]
RAISED = "raised to float by mixed precision, for its rounding costs the most accuracy for its work"
_WIDE = 16
_FLOAT = 32.0
_ROWS = 1024
_SAMPLES = 64


def own_errors(state: State) -> dict[str, float]:
    """For each layer of products: |W^ x^ - W x|^2 / |W x|^2 with its float input put on its grid, no error inherited.

    One pass over some calibration samples. To first order such relative errors add up at the output, so
    they rank layers without quantizing one at a time.
    """
    settings = state.settings
    batches = calibration_batches(settings.samples, state.model, settings.threads)
    walk = Walk(state.model, batches, settings.threads)
    nodes = {node.name: node for node in state.model.graph}
    found: dict[str, float] = {}
    for layer in state.plan.layers.values():
        view = linear(nodes[layer.name])
        if view is None:
            continue
        walk.until(layer.name)
        value = view.node.inputs[0]
        assert value is not None
        rows = sample_rows(view, walk.tensor(value.name or ""), settings.seed, _ROWS)
        hat = integer_matrix(view, state.constants[layer.name, 1])
        right = rows @ view.matrix.transpose(0, 2, 1)
        params = state.activations.get(layer.inputs.get(0, ""))
        given = (rows if params is None else fake_quantize(rows, params)) @ hat.transpose(0, 2, 1)
        size = float(np.square(right).sum(dtype=np.float64))
        # The mean of a channel is taken out: biases are corrected apart.
        apart = (given - right) - (given - right).mean(axis=1, keepdims=True)
        found[layer.name] = float(np.square(apart).sum(dtype=np.float64)) / size if size > 0 else 0.0
    return found


def shares(errors: dict[str, float]) -> dict[str, float]:
    """Each layer's part of the sum of own errors, from 0 to 1."""
    total = sum(errors.values())
    return {name: each / total for name, each in errors.items()} if total > 0 else {}


def raised(state: State, layers: Sequence[str]) -> State:
    """With these layers at higher precision: their inputs on 16 bits where the target takes those, else in float.

    A layer in float would still read what the layer before it writes in 8 bits.
    """
    if _WIDE not in state.settings.target.activation_widths:
        return derive(state.with_left_out(dict.fromkeys(layers, RAISED)))
    tensors = [state.plan.tensors[name] for layer in layers for name in state.plan.layers[layer].inputs.values()]
    return derive(state.with_grids({each.source: INT16 if each.grid.signed else UINT16 for each in tensors}))


def relieved(state: State, layers: Sequence[str]) -> dict[str, float]:
    """By how much the output's noise falls, as a share of it, when one layer at a time is raised.

    Measured on up to 64 calibration samples; below 0 where it rises.
    """
    settings = state.settings
    batches = _some(calibration_batches(settings.samples, state.model, settings.threads))
    right = _outputs(state.reference, batches, settings.threads)
    whole = _noise(right, _outputs(state.quantized, batches, settings.threads))
    found: dict[str, float] = {}
    settings.progress.start("one layer at a time", len(layers))
    for layer in layers:
        noise = _noise(right, _outputs(raised(state, [layer]).quantized, batches, settings.threads))
        found[layer] = 1.0 - noise / whole if whole > 0 else 0.0
        settings.progress.advance()
    settings.progress.done()
    return found


def macs(state: State) -> dict[str, float]:
    """Multiply-accumulates of each layer for one sample, those left in float and products of activations included."""
    shapes = _shapes(state)
    return {node.name or "": multiply_accumulates(node, shapes) for node in _products(state)}


def numbers(state: State) -> float:
    """How many numbers all products of the model write for one sample."""
    shapes = _shapes(state)
    return float(sum(np.prod(shapes[node.outputs[0].name or ""]) for node in _products(state)))


def _products(state: State) -> list[ir.Node]:
    return [node for node in state.model.graph if node.op_type in LINEAR_OPS]


def _shapes(state: State) -> dict[str, tuple[int, ...]]:
    """Of all that products read and write, for one sample."""
    batch = {name: array[:1] for name, array in next(iter(state.settings.samples.batches(1))).inputs.items()}
    nodes = _products(state)
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
        state: the model as far as it is.
        work: multiply-accumulates of each layer, as `macs` gives them.
    """
    return {name: count * _bits(state, name) for name, count in work.items()}


def _bits(state: State, name: str) -> float:
    layer = state.plan.layers.get(name)
    if layer is None:
        return _FLOAT**2
    weights = [log2(state.constants[name, weight.index].params.grid.levels) for weight in layer.weights]
    inputs = [log2(state.plan.tensors[tensor].grid.levels) for tensor in layer.inputs.values()]
    first, second = [*(ceil(each) for each in weights), *inputs, _FLOAT][:2]
    return first * second


def _some(batches: list[Arrays]) -> list[Arrays]:
    found, count = [], 0
    for batch in batches:
        found.append(batch)
        count += len(next(iter(batch.values())))
        if count >= _SAMPLES:
            break
    return found


def _outputs(model: ir.Model, batches: Sequence[Arrays], threads: int | None) -> list[Arrays]:
    session = Session(model, threads=threads)
    return [session.run(batch) for batch in batches]


def _noise(right: Sequence[Arrays], given: Sequence[Arrays]) -> float:
    total = 0.0
    for one, two in zip(right, given, strict=True):
        for name, array in one.items():
            if array.dtype.kind == "f":
                total += float(np.square(array - two[name]).sum(dtype=np.float64))
    return total
