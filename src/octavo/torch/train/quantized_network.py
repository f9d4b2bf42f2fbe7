"""A quantized model as a PyTorch module with trainable weights, biases, scales and zero points."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor

from octavo.affine import QuantParams, quantize, spread
from octavo.graph.constants import constant, drop_unused, new_constant
from octavo.graph.linear import BIASED_OPS
from octavo.graph.place import put_on_grid
from octavo.graph.plan import LayerPlan
from octavo.graph.weights import Constants, QuantizedConstant
from octavo.torch.run.network import Network, Step, Values, name_of
from octavo.torch.train.fake_quantize import round_to_step
from octavo.torch.train.learnable import LearnableGrid
from octavo.torch.train.quantization import Learned, Quantization

# Inputs of operators that hold trained parameters of the float model.
_PARAMETERS = {
    "BatchNormalization": (1, 2),
    **dict.fromkeys(BIASED_OPS, (1, 2)),
    "LayerNormalization": (1, 2),
    "MatMul": (1,),
    "PRelu": (1,),
}

# Distance from the rounding threshold, in steps, at which a weight starts that a rung rounded away from the nearest.
_MARGIN = 0.02


class QuantizedNetwork(Network):
    """A trainable quantized model: every forward pass uses the rounded weights, biases and activations.

    Its parameters are the weights and biases of the float model, with BatchNormalization folded, and the
    `LearnableGrid` of each weight and activation. Dots in the names of layers and tensors become slashes.

    Args:
        quantization: initial weights and quantization parameters.

    Raises:
        ModelError: the model has operators that cannot run in PyTorch; the message names them.
    """

    def __init__(self, quantization: Quantization) -> None:
        self._quantization = quantization
        self._float_nodes = {node.name: node for node in quantization.model.graph}
        # Names of parameters and modules: float weights and biases by layer and input index; parameters that nodes
        # read in float by tensor; grids by layer and input index (weights) or observed tensor (activations).
        self._float_parameters: dict[tuple[str, int], str] = {}
        self._plain: dict[str, str] = {}
        self._grids: dict[tuple[str, int] | str, str] = {}
        super().__init__(quantization.quantized)

    def run(self, feeds: Mapping[str, Tensor]) -> Values:
        """Compute every tensor of the quantized model, by name, from inputs by name."""
        return super().run({name: self.get_parameter(plain) for name, plain in self._plain.items()} | dict(feeds))

    @property
    def quantization(self) -> Quantization:
        """The initial quantization."""
        return self._quantization

    def learned(self) -> Learned:
        """Return the current weights and quantization parameters."""
        model = self._quantization.model.clone()
        nodes = {node.name: node for node in model.graph}
        for (layer, index), name in self._float_parameters.items():
            value = nodes[layer].inputs[index]
            assert value is not None
            stored = new_constant(model.graph, f"{value.name}_learnt", self._array(name))
            nodes[layer].replace_input_with(index, stored)
        drop_unused(model.graph)
        activations: dict[str, QuantParams] = {}
        weights: Constants = {}
        for key, name in self._grids.items():
            params = self._grid(name).params()
            if isinstance(key, str):
                activations[key] = params
            else:
                tensor = name_of(nodes[key[0]].inputs[key[1]])
                integers = quantize(self._array(self._float_parameters[key]), params)
                weights[key] = QuantizedConstant(tensor, integers, params)
        return Learned(model, activations, weights)

    def _array(self, parameter: str) -> np.ndarray:
        array: np.ndarray = self.get_parameter(parameter).detach().cpu().numpy().copy()
        return array

    def _grid(self, name: str) -> LearnableGrid:
        grid = self.get_submodule(name)
        assert isinstance(grid, LearnableGrid)
        return grid

    def _step(self, node: ir.Node) -> Step | None:
        if node.op_type == "QuantizeLinear" or _clips_to_grid(node):
            return None
        if node.op_type == "DequantizeLinear":
            return self._dequantized(node)
        for index in _PARAMETERS.get(node.op_type, ()):
            self._add_plain_parameter(node, index)
        return super()._step(node)

    def _dequantized(self, node: ir.Node) -> Step | None:
        """Translate the DequantizeLinear of a weight, a bias or an activation."""
        source, output = node.inputs[0], node.outputs[0]
        producer = None if source is None else source.producer()
        if producer is not None and producer.op_type == "QuantizeLinear":
            return self._activation(put_on_grid(producer), name_of(output))
        reader = next(iter(output.uses()), None)
        key = ("", 0) if reader is None else (reader.node.name or "", reader.idx)
        layer = self._quantization.plan.layers.get(key[0])
        if key not in self._quantization.constants or layer is None or layer.role != "compute":
            return super()._step(node)
        return self._bias(layer, name_of(output)) if key[1] == layer.bias else self._weight(key, name_of(output))

    def _activation(self, value: ir.Value | None, output: str) -> Step:
        assert value is not None
        tensor = self._quantization.plan.tensors[self._float_name(value)]
        if tensor.source not in self._grids:
            params = self._quantization.activations[tensor.name]
            grid = LearnableGrid(params, symmetric=tensor.symmetric, samples=True)
            self._grids[tensor.source] = self._unique_name(f"grid:{tensor.source}")
            self.add_module(self._grids[tensor.source], grid)
        name, read = self._grids[tensor.source], name_of(value)

        def step(network: QuantizedNetwork, values: Values) -> Tensor:
            quantized: Tensor = network._grid(name)(values[read])
            return quantized

        return [output], step

    def _weight(self, key: tuple[str, int], output: str) -> Step:
        weight = self._quantization.constants[key]
        grid = LearnableGrid(weight.as_in_model().params, symmetric=True, samples=False)
        name = self._grids[key] = self._unique_name(f"grid:{key[0]}:weight")
        self.add_module(name, grid)
        parameter, transposed = self._add_parameter(key), weight.transposed
        self._keep_rounding(self.get_parameter(parameter), weight.as_in_model())

        def step(network: QuantizedNetwork, values: Values) -> Tensor:
            quantized: Tensor = network._grid(name)(network.get_parameter(parameter))
            return quantized.T if transposed else quantized

        return [output], step

    def _bias(self, layer: LayerPlan, output: str) -> Step:
        """Round a bias to the accumulator's step, which is input scale times weight scale."""
        source = self._quantization.plan.tensors[layer.inputs[0]].source
        grids = self._grids[source], self._grids[layer.name, 1]
        parameter = self._add_parameter((layer.name, 2))

        def step(network: QuantizedNetwork, values: Values) -> Tensor:
            bias = network.get_parameter(parameter)
            input_scale, weight_scale = (network._grid(name).current_scale().detach() for name in grids)
            steps = (input_scale * weight_scale).reshape(-1)
            return round_to_step(bias, steps.repeat(bias.numel() // steps.numel()))

        return [output], step

    def _add_parameter(self, key: tuple[str, int]) -> str:
        """Register the float weight or bias of a layer as a parameter and return its name."""
        name = self._float_parameters[key] = self._unique_name(f"{key[0]}:{'bias' if key[1] == 2 else 'weight'}")
        array = np.asarray(constant(self._float_nodes[key[0]].inputs[key[1]]), np.float32)
        self.register_parameter(name, torch.nn.Parameter(torch.tensor(array)))
        return name

    def _keep_rounding(self, parameter: Tensor, weight: QuantizedConstant) -> None:
        """Move weights that a rung rounded away from the nearest just inside the interval of their integer."""
        real, scale = parameter.detach().numpy(), spread(weight.params.scale, weight.params, tuple(parameter.shape))
        middle, reach = weight.integers.astype(np.float32) * scale, (0.5 - _MARGIN) * scale
        moved = np.clip(real, middle - reach, middle + reach)
        differs = quantize(real, weight.params) != weight.integers
        parameter.data = torch.tensor(np.where(differs, moved, real).astype(np.float32))

    def _add_plain_parameter(self, node: ir.Node, index: int) -> None:
        """Register a parameter that a node reads in float, once for all its readers."""
        value = node.inputs[index] if index < len(node.inputs) else None
        if value is None or constant(value) is None or value.dtype != ir.DataType.FLOAT:
            return
        key = node.name or "", index
        self._float_parameters[key] = self._plain.get(name_of(value)) or self._add_parameter(key)
        self._plain[name_of(value)] = self._float_parameters[key]

    def _float_name(self, value: ir.Value) -> str:
        """Name of a tensor in the float model; in the QDQ model the name of a graph output moves behind its DQ."""
        producer = value.producer()
        if producer is None:
            return name_of(value)
        return name_of(self._float_nodes[producer.name].outputs[value.index() or 0])

    def _unique_name(self, name: str) -> str:
        """Return an unused name without dots, which PyTorch does not allow."""
        plain = name = name.replace(".", "/")
        number = 1
        while name in self._modules or name in self._parameters:
            number += 1
            name = f"{plain}:{number}"
        return name


def _clips_to_grid(node: ir.Node) -> bool:
    """Whether the node is the Clip before a QuantizeLinear whose grid is narrower than its type."""
    readers = [use.node for use in node.outputs[0].uses()]
    return node.op_type == "Clip" and any(
        reader.op_type == "QuantizeLinear" and put_on_grid(reader) is not node.outputs[0] for reader in readers
    )
