"""The operators with which exporters write masks and shapes; of them Where and Expand let gradients through."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from octavo.graph.attributes import attribute

Tensor = Any


def _constant(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    (given,) = node.attributes.values()
    if given.type == ir.AttributeType.TENSOR:
        return torch.tensor(given.as_tensor().numpy())
    return torch.tensor(given.value)


def _constant_of_shape(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    given = node.attributes.get("value")
    value = torch.zeros(1) if given is None else torch.tensor(given.as_tensor().numpy())
    return value.reshape(()).expand([int(size) for size in inputs[0].tolist()])


def _expand(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    x, wanted = inputs[0], [int(size) for size in inputs[1].tolist()]
    return x.expand(torch.broadcast_shapes(x.shape, wanted))


def _range(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    start, limit, step = (each.item() for each in inputs)
    return torch.arange(start, limit, step, dtype=inputs[0].dtype)


def _trilu(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    diagonal = int(inputs[1]) if len(inputs) > 1 and inputs[1] is not None else 0
    return (torch.triu if attribute(node, "upper", 1) else torch.tril)(inputs[0], diagonal)


MASKS = {
    "And": lambda torch, node, inputs: inputs[0] & inputs[1],
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Equal": lambda torch, node, inputs: inputs[0] == inputs[1],
    "Expand": _expand,
    "Greater": lambda torch, node, inputs: inputs[0] > inputs[1],
    "GreaterOrEqual": lambda torch, node, inputs: inputs[0] >= inputs[1],
    "Less": lambda torch, node, inputs: inputs[0] < inputs[1],
    "LessOrEqual": lambda torch, node, inputs: inputs[0] <= inputs[1],
    "Not": lambda torch, node, inputs: ~inputs[0],
    "Or": lambda torch, node, inputs: inputs[0] | inputs[1],
    "Range": _range,
    "Tile": lambda torch, node, inputs: inputs[0].repeat([int(each) for each in inputs[1].tolist()]),
    "Trilu": _trilu,
    "Where": lambda torch, node, inputs: torch.where(inputs[0], inputs[1], inputs[2]),
}
