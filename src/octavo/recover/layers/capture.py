"""The inputs of all linear layers of a float model on a few samples, from one pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.data import SampleSet
from octavo.graph.linear import Linear, linear
from octavo.quantizer import Settings
from octavo.recover.layers.channels import Doubles
from octavo.recover.layers.im2col import sample_rows
from octavo.recover.layers.rows import Span, tensors

Floats = NDArray[np.float32]

# Rows of a layer over all samples, and elements in them.
_ROWS, _LEAST_ROWS, _ELEMENTS = 1024, 128, 1 << 17
# Limit on what layers read in one run, in bytes.
_BYTES = 1 << 28


@dataclass(frozen=True)
class Captured:
    """A linear layer with what it reads.

    Attributes:
        linear: the layer in the float model.
        rows: rows of its input, (groups, rows, terms).
        largest: the largest magnitude of each input channel, (inputs,).
        values: how many values it reads in a run of one sample.
    """

    linear: Linear
    rows: Floats
    largest: Doubles
    values: int


def capture(model: ir.Model, settings: Settings, samples: SampleSet) -> dict[str, Captured]:
    """What each layer with constant weights reads on the samples, by the layer's name, in graph order."""
    views = [view for node in model.graph if (view := linear(node)) is not None and not view.transposes_data]
    layers = {view.node.name or "": view for view in views}
    names = {name: value.name or "" for name, view in layers.items() if (value := view.node.inputs[0]) is not None}
    spans = {name: Span(view.inputs, view.channel_axis) for name, view in layers.items()}
    rows: dict[str, list[Floats]] = {name: [] for name in layers}
    sizes = _sizes(model, names, samples)
    count = samples.length or 1
    for chunk in _chunks(sizes):
        start, batch = 0, max(1, _BYTES // (4 * max(sum(sizes[name] for name in chunk), 1)))
        for values in tensors(model, settings, [names[name] for name in chunk], samples, batch):
            size = len(values[names[chunk[0]]])
            for name in chunk:
                x = values[names[name]].astype(np.float32, copy=False)
                spans[name].update(x)
                share = -(-_most(layers[name]) * size // count)
                rows[name].append(sample_rows(layers[name], [x], start, share))
            start += size
    return {
        name: Captured(view, np.concatenate(rows[name], axis=1), spans[name].largest, sizes[name])
        for name, view in layers.items()
    }


def _chunks(sizes: Mapping[str, int]) -> list[list[str]]:
    """The layers in groups whose inputs fit in memory together; those of most models are one group."""
    chunks: list[list[str]] = []
    total = 0
    for name, size in sizes.items():
        if not chunks or total + 4 * size > _BYTES:
            chunks.append([])
            total = 0
        chunks[-1].append(name)
        total += 4 * size
    return chunks


def _sizes(model: ir.Model, names: Mapping[str, str], samples: SampleSet) -> dict[str, int]:
    """How many values each layer reads in a run of one sample, from the inferred shapes.

    A dimension that no input has is taken to be so large that the tensor has as many values as the largest input.
    """
    first = next(iter(samples.batches(1))).inputs
    symbols: dict[str | None, int] = {}
    for value in model.graph.inputs:
        if value.shape is not None and value.name in first:
            dims = zip(value.shape, first[value.name].shape, strict=False)
            symbols.update({dim.value: size for dim, size in dims if isinstance(dim, ir.SymbolicDim) and dim.value})
    largest = max(array.size for array in first.values())
    shapes = {value.name: value.shape for node in model.graph for value in (*node.inputs, *node.outputs) if value}
    return {layer: _size(shapes.get(tensor), symbols, largest) for layer, tensor in names.items()}


def _size(shape: ir.Shape | None, symbols: Mapping[str | None, int], otherwise: int) -> int:
    sizes = [] if shape is None else [dim if isinstance(dim, int) else symbols.get(dim.value, 0) for dim in shape]
    return prod(sizes) if sizes and all(sizes) else otherwise


def _most(layer: Linear) -> int:
    """How many rows of a layer to keep."""
    width = max(layer.groups * layer.matrix.shape[2], 1)
    return int(np.clip(_ELEMENTS // width, _LEAST_ROWS, _ROWS))
