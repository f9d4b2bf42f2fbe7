"""A quantized model as a PyTorch module: to be run as it is, or trained with its grids in the forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor

from octavo.affine import QuantParams, quantize, spread
from octavo.errors import DataError, ModelError
from octavo.graph.constants import constant, drop_unused, new_constant
from octavo.graph.linear import BIASED_OPS
from octavo.graph.place import put_on_grid
from octavo.graph.plan import LayerPlan, Plan
from octavo.graph.weights import Constants, QuantizedConstant
from octavo.torch.fake_quantize import on_steps
from octavo.torch.learnable import LearnableGrid
from octavo.torch.operators import OPERATORS
from octavo.torch.translate import constants, untranslatable

# Inputs of operators that hold what was learnt when the float model was trained.
_LEARNT = {
    "BatchNormalization": (1, 2),
    **dict.fromkeys(BIASED_OPS, (1, 2)),
    "LayerNormalization": (1, 2),
    "MatMul": (1,),
    "PRelu": (1,),
}

# Of a step: how far from where rounding tips a weight begins that a rung has rounded.
_INSIDE = 0.02

Values = dict[str, Tensor]
# What of a network writes which tensors, and how; it is given the network, for copies have parameters of their own.
_Step = tuple[list[str], Callable[[Any, Values], Any]]


class Quantization(Protocol):
    """A model with all that turns it into integers."""

    @property
    def model(self) -> ir.Model:
        """The float model, prepared."""

    @property
    def reference(self) -> ir.Model:
        """The float model whose outputs are right."""

    @property
    def plan(self) -> Plan:
        """Which layers and tensors become integers."""

    @property
    def activations(self) -> dict[str, QuantParams]:
        """Parameters of every tensor of the plan."""

    @property
    def constants(self) -> Constants:
        """Integers of every constant of the plan's layers."""

    @property
    def quantized(self) -> ir.Model:
        """The QDQ model that all this makes."""


@dataclass(frozen=True)
class Learnt:
    """What training makes of a quantization.

    Attributes:
        model: the float model with the weights and biases that were learnt.
        activations: parameters by the tensor that is observed for them.
        weights: integers of weights, by layer and input, in the layout of the model's array.
    """

    model: ir.Model
    activations: dict[str, QuantParams]
    weights: Constants


class Network(torch.nn.Module):
    """An ONNX model, float or QDQ, as a PyTorch module.

    Called with the model's inputs, in order or by name; gives its output, or a tuple of all.

    Args:
        model: with operators that `octavo.torch.untranslatable` does not list.

    Raises:
        ModelError: the model has operators that cannot be run here; the sentence names them.
    """

    def __init__(self, model: ir.Model) -> None:
        super().__init__()
        nodes = list(model.graph)
        unknown = untranslatable(nodes)
        if unknown:
            raise ModelError(
                f"the model has operators that are not translated to PyTorch ({', '.join(unknown)}); use it in ONNX"
            )
        self.input_names = [_name(value) for value in model.graph.inputs]
        self.output_names = [_name(value) for value in model.graph.outputs]
        self._steps = [step for node in nodes if (step := self._step(node)) is not None]
        self._constants: dict[str, str] = {}
        for place, (name, array) in enumerate(constants(nodes).items()):
            self._constants[name] = f"constant:{place}"
            self.register_buffer(self._constants[name], array, persistent=False)

    def forward(self, *inputs: Tensor, **named: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The model's output, or a tuple of them.

        Raises:
            DataError: inputs are missing, or are none of the model's.
        """
        given = dict(zip(self.input_names, inputs, strict=False)) | named
        if len(inputs) > len(self.input_names) or given.keys() != set(self.input_names):
            wanted = ", ".join(self.input_names)
            raise DataError(f"the network takes {wanted}, but got {', '.join(given) or 'nothing'}; give those")
        found = self.run(given)
        outputs = tuple(found[name] for name in self.output_names)
        return outputs if len(outputs) > 1 else outputs[0]

    def run(self, given: Mapping[str, Tensor]) -> Values:
        """Every tensor of the model by its name, for inputs by name."""
        values: Values = {name: self.get_buffer(place) for name, place in self._constants.items()} | dict(given)
        for outputs, step in self._steps:
            made = step(self, values)
            values.update(zip(outputs, made if isinstance(made, tuple) else (made,), strict=False))
        return values

    def __deepcopy__(self, memo: dict[int, Any]) -> Network:
        """Parameters and buffers of its own; the model behind them is the same."""
        other = type(self).__new__(type(self))
        memo[id(self)] = other
        own = ("_parameters", "_buffers", "_modules")
        other.__dict__ = {key: deepcopy(each, memo) if key in own else copy(each) for key, each in vars(self).items()}
        return other

    def _step(self, node: ir.Node) -> _Step | None:
        """What a node does to the tensors so far; None where another step does it."""
        reads = [None if value is None else _name(value) for value in node.inputs]
        run = OPERATORS[node.op_type]

        def step(network: Network, values: Values) -> Any:
            return run(torch, node, [None if name is None else values[name] for name in reads])

        return [_name(value) for value in node.outputs], step


class QuantizedNetwork(Network):
    """A quantization to be trained: every forward pass sees the rounded weights, biases and activations.

    Its parameters are the weights and biases of the float model, BatchNormalization folded into them, and for
    each weight and activation a `LearnableGrid`. Dots in the names of layers and tensors become slashes.

    Args:
        found: where training begins.

    Raises:
        ModelError: the model has operators that cannot be run here; the sentence names them.
    """

    def __init__(self, found: Quantization) -> None:
        self._found = found
        self._floats = {node.name: node for node in found.model.graph}
        # Parameters and modules by what they stand for.
        self._masters: dict[tuple[str, int], str] = {}
        self._plain: dict[str, str] = {}
        self._grids: dict[tuple[str, int] | str, str] = {}
        super().__init__(found.quantized)

    def run(self, given: Mapping[str, Tensor]) -> Values:
        """Every tensor of the quantized model by its name, for inputs by name."""
        return super().run({name: self.get_parameter(place) for name, place in self._plain.items()} | dict(given))

    @property
    def quantization(self) -> Quantization:
        """Where training began."""
        return self._found

    def learnt(self) -> Learnt:
        """What training has made of the quantization so far."""
        model = self._found.model.clone()
        nodes = {node.name: node for node in model.graph}
        for (layer, index), name in self._masters.items():
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
                tensor = _name(nodes[key[0]].inputs[key[1]])
                weights[key] = QuantizedConstant(tensor, quantize(self._array(self._masters[key]), params), params)
        return Learnt(model, activations, weights)

    def _array(self, parameter: str) -> np.ndarray:
        array: np.ndarray = self.get_parameter(parameter).detach().cpu().numpy().copy()
        return array

    def _grid(self, name: str) -> LearnableGrid:
        found = self.get_submodule(name)
        assert isinstance(found, LearnableGrid)
        return found

    def _step(self, node: ir.Node) -> _Step | None:
        if node.op_type == "QuantizeLinear" or _clips_to_grid(node):
            return None
        if node.op_type == "DequantizeLinear":
            return self._dequantized(node)
        for index in _LEARNT.get(node.op_type, ()):
            self._learn_plain(node, index)
        return super()._step(node)

    def _dequantized(self, node: ir.Node) -> _Step | None:
        """A weight, a bias or an activation as the integers say."""
        source, output = node.inputs[0], node.outputs[0]
        producer = None if source is None else source.producer()
        if producer is not None and producer.op_type == "QuantizeLinear":
            return self._activation(put_on_grid(producer), _name(output))
        reader = next(iter(output.uses()), None)
        key = ("", 0) if reader is None else (reader.node.name or "", reader.idx)
        layer = self._found.plan.layers.get(key[0])
        if key not in self._found.constants or layer is None or layer.role != "compute":
            return super()._step(node)
        return self._bias(layer, _name(output)) if key[1] == layer.bias else self._weight(key, _name(output))

    def _activation(self, value: ir.Value | None, output: str) -> _Step:
        assert value is not None
        tensor = self._found.plan.tensors[self._original(value)]
        if tensor.source not in self._grids:
            params = self._found.activations[tensor.name]
            grid = LearnableGrid(params, symmetric=tensor.symmetric, samples=True)
            self._grids[tensor.source] = self._unused(f"grid:{tensor.source}")
            self.add_module(self._grids[tensor.source], grid)
        name, read = self._grids[tensor.source], _name(value)
        return [output], lambda network, values: network._grid(name)(values[read])

    def _weight(self, key: tuple[str, int], output: str) -> _Step:
        found = self._found.constants[key]
        grid = LearnableGrid(found.as_in_model().params, symmetric=True, samples=False)
        name = self._grids[key] = self._unused(f"grid:{key[0]}:weight")
        self.add_module(name, grid)
        master, turned = self._master(key), found.transposed
        self._round_as(self.get_parameter(master), found.as_in_model())

        def step(network: QuantizedNetwork, values: Values) -> Tensor:
            weight: Tensor = network._grid(name)(network.get_parameter(master))
            return weight.T if turned else weight

        return [output], step

    def _bias(self, layer: LayerPlan, output: str) -> _Step:
        """On the steps of the accumulator, which follow the scales of the input and the weights."""
        read, weight = self._grids[self._found.plan.tensors[layer.inputs[0]].source], self._grids[layer.name, 1]
        master = self._master((layer.name, 2))

        def step(network: QuantizedNetwork, values: Values) -> Tensor:
            bias = network.get_parameter(master)
            scales = [network._grid(name).current_scale().detach() for name in (read, weight)]
            steps = (scales[0] * scales[1]).reshape(-1)
            return on_steps(bias, steps.repeat(bias.numel() // steps.numel()))

        return [output], step

    def _master(self, key: tuple[str, int]) -> str:
        """The float array behind an input of a layer, as a parameter."""
        name = self._masters[key] = self._unused(f"{key[0]}:{'bias' if key[1] == 2 else 'weight'}")
        array = np.asarray(constant(self._floats[key[0]].inputs[key[1]]), np.float32)
        self.register_parameter(name, torch.nn.Parameter(torch.tensor(array)))
        return name

    def _round_as(self, master: Tensor, found: QuantizedConstant) -> None:
        """Where a rung rounded another way than to the nearest, begin just inside of what rounds so."""
        real, scale = master.detach().numpy(), spread(found.params.scale, found.params, tuple(master.shape))
        middle, reach = found.integers.astype(np.float32) * scale, (0.5 - _INSIDE) * scale
        aside = np.clip(real, middle - reach, middle + reach)
        other = quantize(real, found.params) != found.integers
        master.data = torch.tensor(np.where(other, aside, real).astype(np.float32))

    def _learn_plain(self, node: ir.Node, index: int) -> None:
        """What a node reads in float is learnt too, once for all that read it."""
        value = node.inputs[index] if index < len(node.inputs) else None
        if value is None or constant(value) is None or value.dtype != ir.DataType.FLOAT:
            return
        key = node.name or "", index
        self._masters[key] = self._plain.get(_name(value)) or self._master(key)
        self._plain[_name(value)] = self._masters[key]

    def _original(self, value: ir.Value) -> str:
        """The tensor's name in the float model: a graph output's own goes to what is dequantized."""
        producer = value.producer()
        return _name(value) if producer is None else _name(self._floats[producer.name].outputs[value.index() or 0])

    def _unused(self, name: str) -> str:
        """A name that PyTorch takes, which is no other's."""
        plain = name = name.replace(".", "/")
        number = 1
        while name in self._modules or name in self._parameters:
            number += 1
            name = f"{plain}:{number}"
        return name


def _clips_to_grid(node: ir.Node) -> bool:
    """Whether the node is the Clip that stands before a QuantizeLinear of few bits."""
    readers = [use.node for use in node.outputs[0].uses()]
    return node.op_type == "Clip" and any(
        reader.op_type == "QuantizeLinear" and put_on_grid(reader) is not node.outputs[0] for reader in readers
    )


def _name(value: ir.Value | None) -> str:
    return "" if value is None else value.name or ""
