"""Visit the layers of a state in graph order, with their inputs in the float model and in the quantized model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.graph.constants import drop_unused, new_constant
from octavo.graph.linear import Linear, bias_input, linear
from octavo.quantizer import State
from octavo.recover.layers.im2col import sample_rows
from octavo.recover.layers.walk import Walk, calibration_batches

Floats = NDArray[np.float32]


@dataclass
class Visit:
    """A linear layer with samples of its input.

    Attributes:
        name: the node of the layer.
        linear: the layer in the float model.
        x: rows of its input in the float model, (groups, rows, terms).
        x_hat: the same rows in the quantized model, computed with all changes to earlier layers.
    """

    name: str
    linear: Linear
    x: Floats
    x_hat: Floats
    _model: ir.Model
    _node: ir.Node

    def change(self, weights: Floats, bias: Floats | None) -> None:
        """Replace the layer's weights (groups, channels, terms) and bias (channels,) in the quantized model.

        The inputs of later layers are computed with them.
        """
        chosen = f"{self.name}_chosen"
        value = new_constant(self._model.graph, chosen, self.linear.from_matrix(weights.astype(np.float32)))
        self._node.replace_input_with(1, value)
        if bias is not None:
            if len(self._node.inputs) < 3:
                self._node.resize_inputs(3)
            self._node.replace_input_with(
                2, new_constant(self._model.graph, f"{self.name}_corrected", bias.astype(np.float32))
            )


def visits(state: State, stage: str, *, floats: bool = False) -> Iterator[Visit]:
    """Visit every layer of the plan that multiplies an activation by constant weights, in graph order.

    Args:
        state: the quantization to visit.
        stage: name of the work in progress events.
        floats: visit layers that stay in float as well, if their bias can be corrected.
    """
    settings, reference = state.settings, state.reference
    batches = calibration_batches(settings.samples, reference, settings.threads)
    quantized = state.quantized.clone()
    nodes = {node.name: node for node in quantized.graph}
    walks = Walk(reference, batches, settings.threads), Walk(quantized, batches, settings.threads)
    chosen = [
        node
        for node in reference.graph
        if (view := linear(node)) is not None
        and (node.name in state.plan.layers or (floats and view.holds_shift and not view.transposes_data))
    ]
    settings.progress.start(stage, len(chosen))
    for original in chosen:
        yield visit(original, nodes[original.name], *walks, quantized, settings.seed)
        settings.progress.advance()
    settings.progress.done()


def visit(original: ir.Node, node: ir.Node, floats: Walk, integers: Walk, model: ir.Model, seed: int) -> Visit:
    """Visit one layer: advance both walks to it and sample its inputs.

    Args:
        original: the node of a layer with constant weights in the float model.
        node: its node in the quantized model.
        floats, integers: walks over the float and the quantized model that have not passed the layer.
        model: the quantized model.
        seed: seed of the rows that are drawn.
    """
    view = linear(original)
    assert view is not None
    name = original.name or ""
    floats.until(name)
    integers.until(name)
    float_input, quantized_input = original.inputs[0], node.inputs[0]
    assert float_input is not None
    assert quantized_input is not None
    x = sample_rows(view, floats.tensor(float_input.name or ""), seed)
    x_hat = sample_rows(view, integers.tensor(quantized_input.name or ""), seed)
    return Visit(name, view, x, x_hat, model, node)


def biased(model: ir.Model, biases: dict[str, Floats]) -> ir.Model:
    """A copy of a float model with the biases of some layers, by node name, replaced."""
    model = model.clone()
    for node in model.graph:
        if node.name in biases:
            if bias_input(node) is None and len(node.inputs) < 3:
                node.resize_inputs(3)
            node.replace_input_with(2, new_constant(model.graph, f"{node.name}_bias", biases[node.name]))
    drop_unused(model.graph)
    return model
