"""A quantized model whose ranges and biases are inputs: many choices are compared without building a model for each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.affine import QuantParams, real_range
from octavo.data import Arrays
from octavo.graph.constants import drop_unused
from octavo.graph.place import place, put_on_grid
from octavo.quantizer import State
from octavo.recover.refinements.check import Check

Floats = NDArray[np.float32]


class Trial:
    """The outputs of a state's model with other ranges of activations and other biases.

    Biases are added in float: the int32 rounding of a bias, by at most half of Sx Sw, is far below that of the output.

    Args:
        state: the quantization; its plan and integer weights stay.
        layers: names of the layers whose biases are given.
        check: the samples, and the float model's outputs.
    """

    def __init__(self, state: State, layers: list[str], check: Check) -> None:
        self._check = check
        self._tensors: dict[str, str] = {}
        self._graph = place(state.model, state.plan, state.activations, state.constants)
        for node in list(self._graph.graph):
            if node.op_type == "QuantizeLinear":
                self._open_range(node, state)
        for node in list(self._graph.graph):
            if node.name in layers:
                self._open_bias(node)
        drop_unused(self._graph.graph)
        self._session = check.open(self._graph)

    def level_db(self, activations: Mapping[str, QuantParams], biases: Mapping[str, Floats]) -> float | None:
        """The level of the outputs as `Check.level_db` gives it.

        Args:
            activations: parameters of every tensor of the plan.
            biases: the biases of the layers, (channels,).
        """
        feeds: Arrays = {_bias(name): bias for name, bias in biases.items()}
        for tensor, prefix in self._tensors.items():
            params = activations[tensor]
            feeds[f"{prefix}scale"] = np.asarray(params.scale, np.float32)
            feeds[f"{prefix}zero_point"] = params.zero_point.astype(params.grid.numpy_dtype)
            low, high = real_range(params)
            feeds[f"{prefix}low"], feeds[f"{prefix}high"] = np.array(low, np.float32), np.array(high, np.float32)
        known = {spec.name for spec in self._session.inputs}
        return self._check.level_of(self._session, {name: array for name, array in feeds.items() if name in known})

    def _open_range(self, node: ir.Node, state: State) -> None:
        """Make scale and zero point of a QuantizeLinear inputs, with the ends of a Clip in front of it."""
        integers, source = node.outputs[0], put_on_grid(node)
        tensor = (integers.name or "").removesuffix("_quantized")
        if tensor not in state.plan.tensors or source is None:
            return
        prefix = f"octavo/{tensor}/"
        self._tensors[tensor] = prefix
        dequantized = [use.node for use in integers.uses() if use.node.op_type == "DequantizeLinear"]
        for index, what in ((1, "scale"), (2, "zero_point")):
            opened = self._input(node.inputs[index], f"{prefix}{what}")
            for reader in (node, *dequantized):
                reader.replace_input_with(index, opened)
        if node.inputs[0] is not source and node.inputs[0] is not None and (clip := node.inputs[0].producer()):
            for index, what in ((1, "low"), (2, "high")):
                clip.replace_input_with(index, self._input(clip.inputs[index], f"{prefix}{what}"))

    def _open_bias(self, node: ir.Node) -> None:
        """Make the bias of a linear node an input."""
        if len(node.inputs) < 3:
            node.resize_inputs(3)
        value = ir.Value(name=_bias(node.name or ""), type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([None]))
        self._graph.graph.inputs.append(value)
        node.replace_input_with(2, value)

    def _input(self, like: ir.Value | None, name: str) -> ir.Value:
        assert like is not None
        value = ir.Value(name=name, type=like.type, shape=like.shape)
        self._graph.graph.inputs.append(value)
        return value


def _bias(layer: str) -> str:
    return f"octavo/{layer}/bias"
