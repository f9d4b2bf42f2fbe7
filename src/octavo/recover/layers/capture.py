"""The inputs of all linear layers of a float model on a few samples, from one pass."""

from __future__ import annotations

from dataclasses import dataclass

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
    sizes = dict.fromkeys(layers, 0)
    start, count = 0, samples.length or 1
    for values in tensors(model, settings, list(names.values()), samples) if layers else ():
        size = len(values[next(iter(names.values()))])
        for name, view in layers.items():
            x = values[names[name]].astype(np.float32, copy=False)
            spans[name].update(x)
            sizes[name] = x.size // max(size, 1)
            rows[name].append(sample_rows(view, [x], start, -(-_most(view) * size // count)))
        start += size
    return {
        name: Captured(view, np.concatenate(rows[name], axis=1), spans[name].largest, sizes[name])
        for name, view in layers.items()
    }


def _most(layer: Linear) -> int:
    """How many rows of a layer to keep."""
    width = max(layer.groups * layer.matrix.shape[2], 1)
    return int(np.clip(_ELEMENTS // width, _LEAST_ROWS, _ROWS))
