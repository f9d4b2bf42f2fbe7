"""Operators with which exporters compute masks and shapes; only Where and Expand propagate gradients."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor

from octavo.graph.attributes import attribute
from octavo.torch.run.operators.inputs import Inputs, Operator


def _constant(node: ir.Node, inputs: Inputs) -> Tensor:
    (value,) = node.attributes.values()
    if value.type == ir.AttributeType.TENSOR:
        return torch.tensor(value.as_tensor().numpy())
    return torch.tensor(value.value)


def _constant_of_shape(node: ir.Node, inputs: Inputs) -> Tensor:
    value = node.attributes.get("value")
    fill = torch.zeros(1) if value is None else torch.tensor(value.as_tensor().numpy())
    return fill.reshape(()).expand([int(size) for size in inputs[0].tolist()])


def _expand(node: ir.Node, inputs: Inputs) -> Tensor:
    x, shape = inputs[0], [int(size) for size in inputs[1].tolist()]
    return x.expand(np.broadcast_shapes(tuple(x.shape), tuple(shape)))


def _range(node: ir.Node, inputs: Inputs) -> Tensor:
    start, limit, step = (inputs[index].item() for index in range(3))
    return torch.arange(start, limit, step, dtype=inputs[0].dtype)


def _trilu(node: ir.Node, inputs: Inputs) -> Tensor:
    k = inputs.get(1)
    diagonal = 0 if k is None else int(k)
    return (torch.triu if attribute(node, "upper", 1) else torch.tril)(inputs[0], diagonal)


MASKS: dict[str, Operator] = {
    "And": lambda node, inputs: inputs[0] & inputs[1],
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Equal": lambda node, inputs: inputs[0] == inputs[1],
    "Expand": _expand,
    "Greater": lambda node, inputs: inputs[0] > inputs[1],
    "GreaterOrEqual": lambda node, inputs: inputs[0] >= inputs[1],
    "Less": lambda node, inputs: inputs[0] < inputs[1],
    "LessOrEqual": lambda node, inputs: inputs[0] <= inputs[1],
    "Not": lambda node, inputs: ~inputs[0],
    "Or": lambda node, inputs: inputs[0] | inputs[1],
    "Range": _range,
    "Tile": lambda node, inputs: inputs[0].repeat([int(count) for count in inputs[1].tolist()]),
    "Trilu": _trilu,
    "Where": lambda node, inputs: torch.where(inputs[0], inputs[1], inputs[2]),
}
