"""Inputs and attributes of ONNX nodes, as the operator functions read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir
from torch import Tensor


class Inputs:
    """Input tensors of one node; optional inputs may be absent."""

    def __init__(self, values: Sequence[Tensor | None]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: int) -> Tensor:
        """Return a required input."""
        value = self._values[index]
        assert value is not None
        return value

    def get(self, index: int) -> Tensor | None:
        """Return an optional input, or None if it is absent."""
        return self._values[index] if index < len(self._values) else None


# Computes the outputs of a node from its inputs.
Operator = Callable[[ir.Node, Inputs], Tensor | tuple[Tensor, ...]]


def ints(node: ir.Node, name: str, default: Sequence[int]) -> list[int]:
    """Return an attribute that is a list of integers."""
    attribute = node.attributes.get(name)
    return list(default) if attribute is None else list(attribute.as_ints())


def ints_input(node: ir.Node, name: str, inputs: Inputs, index: int) -> list[int] | None:
    """Return integers that older opsets store as the attribute `name` and newer ones as input `index`."""
    value = inputs.get(index)
    if value is not None:
        return [int(number) for number in value.reshape(-1).tolist()]
    attribute = node.attributes.get(name)
    return None if attribute is None else list(attribute.as_ints())


def torch_pads(pads: Sequence[int]) -> list[int]:
    """Convert ONNX pads (begins of all axes, then ends) to the order of `torch.nn.functional.pad`."""
    rank = len(pads) // 2
    return [pad for axis in reversed(range(rank)) for pad in (pads[axis], pads[axis + rank])]
