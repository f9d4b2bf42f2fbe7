"""Rows of the inputs of all linear layers of a plan, from one run of the float model a sample."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from octavo.data import SampleSet
from octavo.data.runner import run_batches
from octavo.engines.onnxruntime import Session
from octavo.graph.linear import Linear, linear
from octavo.graph.plan import LayerPlan
from octavo.quantizer import State
from octavo.recover.layers.im2col import sample_rows

Floats = NDArray[np.float32]

# Rows of a layer over all samples, and elements in them.
_ROWS, _LEAST_ROWS, _ELEMENTS = 2048, 256, 1 << 20


@dataclass(frozen=True)
class LayerRows:
    """A linear layer of the plan, its view in the float model, and rows of its float input by sample.

    Each array has shape (groups, rows, terms).
    """

    layer: LayerPlan
    linear: Linear
    by_sample: list[Floats] = field(default_factory=list)

    @property
    def together(self) -> Floats:
        """The rows of all samples."""
        return np.concatenate(self.by_sample, axis=1)


def layer_rows(state: State, samples: SampleSet) -> list[LayerRows]:
    """The rows of every layer that multiplies by constant weights, in graph order."""
    nodes = {node.name: node for node in state.reference.graph}
    views = ((layer, linear(nodes[layer.name])) for layer in state.plan.layers.values())
    layers = [LayerRows(layer, view) for layer, view in views if view is not None and layer.weights]
    if not layers:
        return layers
    names = [each.linear.node.inputs[0].name or "" for each in layers if each.linear.node.inputs[0] is not None]
    session = Session(state.reference, outputs=list(dict.fromkeys(names)), threads=state.settings.threads)
    count = samples.length or 1
    for batch, outputs in run_batches(session, samples, 1):
        values = {**batch.inputs, **outputs}
        for name, each in zip(names, layers, strict=True):
            most = max(_most(each.linear) // count, 1) * batch.size
            seed = state.settings.seed + batch.start
            each.by_sample.append(sample_rows(each.linear, [values[name]], seed, most))
    return layers


def _most(layer: Linear) -> int:
    """How many rows of a layer to keep."""
    width = max(layer.groups * layer.matrix.shape[2], 1)
    return int(np.clip(_ELEMENTS // width, _LEAST_ROWS, _ROWS))
