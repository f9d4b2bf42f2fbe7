"""Image layouts: ONNX is channels first (N, C, ...), image kernels are channels last (N, ..., C)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TypeVar

from octavo.compiler.program import Program, Tensor, new_tensor, view

Item = TypeVar("Item")


def channels_last_order(rank: int) -> list[int]:
    """The permutation from (N, C, ...) to (N, ..., C)."""
    return [0, *range(2, rank), 1]


def channels_first(order: Sequence[int]) -> bool:
    """Whether a permutation is that from (N, ..., C) to (N, C, ...)."""
    rank = len(order)
    return rank in (3, 4) and list(order) == [0, rank - 1, *range(1, rank - 1)]


def reordered(items: Sequence[Item], tensor: Tensor) -> list[Item]:
    """Values per ONNX axis, in the order of the tensor's own axes."""
    order = channels_last_order(len(items)) if tensor.channels_last else range(len(items))
    return [items[axis] for axis in order]


def own_axis(axis: int, tensor: Tensor) -> int:
    """The tensor's own axis of an ONNX axis."""
    return channels_last_order(len(tensor.shape)).index(axis) if tensor.channels_last else axis


def outer_length_inner(shape: Sequence[int], start: int, end: int) -> dict[str, int]:
    """Element counts before, of and after the axes from `start` to `end`, as attributes of a kernel."""
    return {"outer": prod(shape[:start]), "length": prod(shape[start:end]), "inner": prod(shape[end:])}


class Layouts:
    """Layout conversions, cached by buffer.

    Attributes:
        program: receives the transposes.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._cache: dict[tuple[int, tuple[int, ...], bool], Tensor] = {}

    def channels_last(self, tensor: Tensor) -> Tensor:
        """The tensor as (N, ..., C)."""
        if tensor.channels_last:
            return tensor
        return self._converted(tensor, channels_last_order(len(tensor.shape)))

    def channels_first(self, tensor: Tensor) -> Tensor:
        """The tensor in ONNX's axis order."""
        if not tensor.channels_last:
            return tensor
        rank = len(tensor.shape)
        return self._converted(tensor, [0, rank - 1, *range(1, rank - 1)])

    def _converted(self, tensor: Tensor, order: list[int]) -> Tensor:
        key = (id(tensor.buffer), tensor.shape, tensor.channels_last)
        if key not in self._cache:
            self._cache[key] = self._transposed(tensor, order)
        cached = self._cache[key]
        converted = view(cached, tensor.name, cached.shape)
        converted.params, converted.channels_last = tensor.params, not tensor.channels_last
        return converted

    def _transposed(self, tensor: Tensor, order: list[int]) -> Tensor:
        shape = [tensor.shape[axis] for axis in order]
        moved = [axis for axis in order if tensor.shape[axis] != 1]
        if moved == sorted(moved):
            return view(tensor, tensor.name, shape)
        result = new_tensor(tensor.name, tensor.dtype, shape, tensor.params)
        return self.program.add("Transpose", tensor.name, [tensor], result, {"perm": order})
