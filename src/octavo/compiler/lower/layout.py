"""Where the channels of an image lie: kernels of images read them last, ONNX writes them second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from octavo.compiler.program import Program, Tensor, new_tensor, view

Item = TypeVar("Item")


def channels_last_order(rank: int) -> list[int]:
    """Of each axis of (N, ..., C), which axis of (N, C, ...) it is."""
    return [0, *range(2, rank), 1]


def channels_first(order: Sequence[int]) -> bool:
    """Whether a transposition brings (N, ..., C) to (N, C, ...)."""
    rank = len(order)
    return rank in (3, 4) and list(order) == [0, rank - 1, *range(1, rank - 1)]


def reordered(items: Sequence[Item], tensor: Tensor) -> list[Item]:
    """What is said of each axis of ONNX's, for the tensor's own axes."""
    order = channels_last_order(len(items)) if tensor.channels_last else range(len(items))
    return [items[axis] for axis in order]


def own_axis(axis: int, tensor: Tensor) -> int:
    """Where the tensor has one of ONNX's axes."""
    return channels_last_order(len(tensor.shape)).index(axis) if tensor.channels_last else axis


class Layouts:
    """Tensors in the other layout, each made once.

    Attributes:
        program: what transpositions are appended to.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._known: dict[tuple[int, tuple[int, ...], bool], Tensor] = {}

    def channels_last(self, tensor: Tensor) -> Tensor:
        """The image (N, C, ...) as (N, ..., C)."""
        if tensor.channels_last:
            return tensor
        return self._turned(tensor, channels_last_order(len(tensor.shape)))

    def channels_first(self, tensor: Tensor) -> Tensor:
        """The tensor with ONNX's axes in their order."""
        if not tensor.channels_last:
            return tensor
        rank = len(tensor.shape)
        return self._turned(tensor, [0, rank - 1, *range(1, rank - 1)])

    def _turned(self, tensor: Tensor, order: list[int]) -> Tensor:
        key = (id(tensor.buffer), tensor.shape, tensor.channels_last)
        if key not in self._known:
            self._known[key] = self._transposed(tensor, order)
        found = self._known[key]
        turned = view(found, tensor.name, found.shape)
        turned.params, turned.channels_last = tensor.params, not tensor.channels_last
        return turned

    def _transposed(self, tensor: Tensor, order: list[int]) -> Tensor:
        shape = [tensor.shape[axis] for axis in order]
        moved = [axis for axis in order if tensor.shape[axis] != 1]
        if moved == sorted(moved):
            return view(tensor, tensor.name, shape)
        result = new_tensor(tensor.name, tensor.dtype, shape, tensor.params)
        return self.program.add("Transpose", tensor.name, [tensor], result, order)
