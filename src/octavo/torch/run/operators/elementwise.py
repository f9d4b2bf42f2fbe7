"""Elementwise operators, reductions and softmax."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from octavo.graph.attributes import attribute
from octavo.torch.run.operators.inputs import Inputs, Operator, ints_input


def _cast(node: ir.Node, inputs: Inputs) -> Tensor:
    dtype = ir.DataType(int(attribute(node, "to", 1))).numpy()
    return inputs[0].to(getattr(torch, dtype.name))


def _clip(node: ir.Node, inputs: Inputs) -> Tensor:
    low, high = inputs.get(1), inputs.get(2)
    return inputs[0] if low is None and high is None else torch.clamp(inputs[0], low, high)


def _prelu(node: ir.Node, inputs: Inputs) -> Tensor:
    return torch.where(inputs[0] < 0, inputs[0] * inputs[1], inputs[0])


def _gelu(node: ir.Node, inputs: Inputs) -> Tensor:
    approximate = node.attributes.get("approximate")
    return F.gelu(inputs[0], approximate="none" if approximate is None else approximate.as_string())


def _hard_sigmoid(node: ir.Node, inputs: Inputs) -> Tensor:
    return torch.clamp(attribute(node, "alpha", 0.2) * inputs[0] + attribute(node, "beta", 0.5), 0.0, 1.0)


def _reduce(reduce: Callable[..., Tensor]) -> Operator:
    def run(node: ir.Node, inputs: Inputs) -> Tensor:
        axes = ints_input(node, "axes", inputs, 1)
        if axes is None and attribute(node, "noop_with_empty_axes", 0):
            return inputs[0]
        axes = axes or list(range(inputs[0].ndim))
        return reduce(inputs[0], dim=axes, keepdim=bool(attribute(node, "keepdims", 1)))

    return run


ELEMENTWISE: dict[str, Operator] = {
    "Abs": lambda node, inputs: inputs[0].abs(),
    "Add": lambda node, inputs: inputs[0] + inputs[1],
    "Cast": _cast,
    "Clip": _clip,
    "Div": lambda node, inputs: inputs[0] / inputs[1],
    "Dropout": lambda node, inputs: inputs[0],
    "Elu": lambda node, inputs: F.elu(inputs[0], attribute(node, "alpha", 1.0)),
    "Erf": lambda node, inputs: torch.erf(inputs[0]),
    "Exp": lambda node, inputs: inputs[0].exp(),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda node, inputs: F.hardswish(inputs[0]),
    "Identity": lambda node, inputs: inputs[0],
    "LeakyRelu": lambda node, inputs: F.leaky_relu(inputs[0], attribute(node, "alpha", 0.01)),
    "Mish": lambda node, inputs: F.mish(inputs[0]),
    "Mul": lambda node, inputs: inputs[0] * inputs[1],
    "Neg": lambda node, inputs: -inputs[0],
    "PRelu": _prelu,
    "Pow": lambda node, inputs: inputs[0] ** inputs[1],
    "Reciprocal": lambda node, inputs: 1.0 / inputs[0],
    "ReduceMean": _reduce(torch.mean),
    "ReduceSum": _reduce(torch.sum),
    "Relu": lambda node, inputs: torch.relu(inputs[0]),
    "Sigmoid": lambda node, inputs: torch.sigmoid(inputs[0]),
    "Softmax": lambda node, inputs: torch.softmax(inputs[0], int(attribute(node, "axis", -1))),
    "Softplus": lambda node, inputs: F.softplus(inputs[0]),
    "Sqrt": lambda node, inputs: inputs[0].sqrt(),
    "Sub": lambda node, inputs: inputs[0] - inputs[1],
    "Tanh": lambda node, inputs: torch.tanh(inputs[0]),
}
