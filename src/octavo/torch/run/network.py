"""An ONNX model, float or QDQ, as a PyTorch module."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor

from octavo.errors import DataError, ModelError
from octavo.graph import load
from octavo.torch.run.evaluate import constants, untranslatable
from octavo.torch.run.operators import OPERATORS, Inputs

Values = dict[str, Tensor]
# Names of the tensors that a step writes, and the function that computes them. The function takes the network as an
# argument because copies of a network have their own parameters.
Step = tuple[list[str], Callable[[Any, Values], Tensor | tuple[Tensor, ...]]]


class Network(torch.nn.Module):
    """An ONNX model as a PyTorch module.

    Takes the model's inputs, by position or by name; returns its output, or a tuple of all outputs.

    Args:
        model: float or QDQ, without operators that `octavo.torch.untranslatable` lists.

    Raises:
        ModelError: the model has operators that cannot run in PyTorch; the message names them.
    """

    def __init__(self, model: ir.Model) -> None:
        super().__init__()
        nodes = list(model.graph)
        unknown = untranslatable(nodes)
        if unknown:
            raise ModelError(
                f"the model has operators that are not translated to PyTorch ({', '.join(unknown)}); use it in ONNX"
            )
        self.input_names = [name_of(value) for value in model.graph.inputs]
        self.output_names = [name_of(value) for value in model.graph.outputs]
        self._steps = [step for node in nodes if (step := self._step(node)) is not None]
        self._constants: dict[str, str] = {}
        for index, (name, tensor) in enumerate(constants(nodes).items()):
            self._constants[name] = f"constant:{index}"
            self.register_buffer(self._constants[name], tensor, persistent=False)

    def forward(self, *inputs: Tensor, **named: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the model's output, or a tuple of all outputs.

        Raises:
            DataError: inputs are missing, or the model has no such inputs.
        """
        feeds = dict(zip(self.input_names, inputs, strict=False)) | named
        if len(inputs) > len(self.input_names) or feeds.keys() != set(self.input_names):
            expected = ", ".join(self.input_names)
            raise DataError(
                f"the network takes {expected}, but got {', '.join(feeds) or 'nothing'}; give exactly its inputs"
            )
        values = self.run(feeds)
        outputs = tuple(values[name] for name in self.output_names)
        return outputs if len(outputs) > 1 else outputs[0]

    def run(self, feeds: Mapping[str, Tensor]) -> Values:
        """Compute every tensor of the model, by name, from inputs by name."""
        values: Values = {name: self.get_buffer(buffer) for name, buffer in self._constants.items()} | dict(feeds)
        for outputs, step in self._steps:
            result = step(self, values)
            values.update(zip(outputs, result if isinstance(result, tuple) else (result,), strict=False))
        return values

    def __deepcopy__(self, memo: dict[int, Any]) -> Network:
        """Copy parameters, buffers and submodules; share the ONNX model."""
        other = type(self).__new__(type(self))
        memo[id(self)] = other
        own = ("_parameters", "_buffers", "_modules")
        other.__dict__ = {
            key: deepcopy(value, memo) if key in own else copy(value) for key, value in vars(self).items()
        }
        return other

    def _step(self, node: ir.Node) -> Step | None:
        """Translate a node; None if another step computes its outputs."""
        reads = [None if value is None else name_of(value) for value in node.inputs]
        operator = OPERATORS[node.op_type]

        def step(network: Network, values: Values) -> Tensor | tuple[Tensor, ...]:
            return operator(node, Inputs([None if name is None else values[name] for name in reads]))

        return [name_of(value) for value in node.outputs], step


def as_module(model: str | os.PathLike[str] | ir.Model) -> Network:
    """Load an ONNX model, float or QDQ, as a PyTorch module; Q and DQ compute the integers of `octavo.affine`.

    Raises:
        ModelError: the model cannot be read, or has operators that are not translated to PyTorch.
        DependencyError: PyTorch is not installed.
    """
    return Network(model if isinstance(model, ir.Model) else load(model))


def name_of(value: ir.Value | None) -> str:
    """Name of a value; empty if there is none."""
    return "" if value is None else value.name or ""
