"""A model as the runtime sees it: tensors in buffers, and operators in the order they run in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.affine import QuantParams
from octavo.compiler.kinds import OPERATORS, Value


class Place(IntEnum):
    """Where a buffer lies, as the bundle numbers it."""

    ARENA = 1
    CONSTANT = 2
    INPUT = 3
    OUTPUT = 4


@dataclass(eq=False)
class Buffer:
    """Memory that one or several tensors see.

    Attributes:
        size: in bytes.
        place: where it lies.
        offset: in the arena or the payload; the number of the input or output.
        content: of a constant.
    """

    size: int
    place: Place = Place.ARENA
    offset: int = 0
    content: NDArray[Any] | None = None


@dataclass(eq=False)
class Tensor:
    """A buffer seen in one shape. Integers of 8 bits have `params`, per tensor.

    `channels_last` says that the axes are those of an image, (N, ..., C) where ONNX writes (N, C, ...).
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    buffer: Buffer
    params: QuantParams | None = None
    channels_last: bool = False

    @property
    def count(self) -> int:
        """How many elements it has."""
        return prod(self.shape)


@dataclass(eq=False)
class Operation:
    """An operator: `kind` is its name in the operator schema, `attributes` are its named attributes."""

    kind: str
    name: str
    inputs: list[Tensor]
    output: Tensor
    attributes: dict[str, Value] = field(default_factory=dict)

    def integer(self, name: str) -> int:
        """An attribute that is one integer."""
        value = self.attributes[name]
        assert isinstance(value, int)
        return value

    def integers(self, name: str) -> list[int]:
        """An attribute that is a list of integers."""
        value = self.attributes[name]
        assert isinstance(value, list)
        return value

    def real(self, name: str) -> float:
        """An attribute that is a float."""
        value = self.attributes[name]
        assert isinstance(value, float)
        return value

    @property
    def stored_attributes(self) -> list[int]:
        """The attributes as the bundle stores them, in the order of the schema.

        Raises:
            ValueError: they are not those of the schema.
        """
        return OPERATORS[self.kind].pack(self.attributes)

    @stored_attributes.setter
    def stored_attributes(self, stored: list[int]) -> None:
        self.attributes = OPERATORS[self.kind].unpack(stored)


@dataclass(frozen=True)
class Size:
    """A length of some axes of the inputs that is left open, and its bounds."""

    name: str
    least: int
    most: int


@dataclass(frozen=True, eq=False)
class Varying:
    """An axis's length or an attribute: of the open sizes s and t, the sum of c[3 i + j] s^i t^j, i and j from 0 to 2.

    Attributes:
        owner: the tensor, or the operation.
        index: of the axis, or the attribute.
        coefficients: nine; those of a size that there is not are 0.
    """

    owner: Tensor | Operation
    index: int
    coefficients: tuple[int, ...]


@dataclass
class Program:
    """What is built while a model is lowered."""

    operations: list[Operation] = field(default_factory=list)
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    sizes: list[Size] = field(default_factory=list)
    varying: list[Varying] = field(default_factory=list)

    def tensors(self) -> list[Tensor]:
        """Each once: inputs, outputs, and then as operations name them."""
        every = [*self.inputs, *self.outputs]
        for operation in self.operations:
            every += [*operation.inputs, operation.output]
        return list({id(tensor): tensor for tensor in every}.values())

    def add(
        self,
        kind: str,
        name: str,
        inputs: Sequence[Tensor],
        output: Tensor,
        attributes: Mapping[str, Value] | None = None,
    ) -> Tensor:
        """Append an operation; returns its output."""
        self.operations.append(Operation(kind, name, list(inputs), output, dict(attributes or {})))
        return output


def new_tensor(
    name: str, dtype: np.dtype[Any] | type, shape: Sequence[int], params: QuantParams | None = None
) -> Tensor:
    """A tensor in a buffer of its own."""
    element = np.dtype(dtype)
    return Tensor(name, element, tuple(shape), Buffer(prod(shape) * element.itemsize), params)


def constant_tensor(name: str, array: NDArray[Any], params: QuantParams | None = None) -> Tensor:
    """A tensor whose values are known."""
    content = np.ascontiguousarray(array).reshape(np.shape(array))  # which would make a vector of a number
    buffer = Buffer(content.nbytes, Place.CONSTANT, content=content)
    return Tensor(name, content.dtype, content.shape, buffer, params)


def view(tensor: Tensor, name: str, shape: Sequence[int]) -> Tensor:
    """The same buffer in another shape of as many elements, whose axes are in ONNX's order."""
    return Tensor(name, tensor.dtype, tuple(shape), tensor.buffer, tensor.params)


def float_bits(number: float | np.floating) -> int:
    """A float32's bits, as an attribute stores it."""
    return int(np.float32(number).view(np.uint32))
