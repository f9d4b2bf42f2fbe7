"""The program that the runtime executes: tensors in buffers, and operators in execution order."""

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
    """The memory that holds a buffer, with its number in a bundle."""

    ARENA = 1
    CONSTANT = 2
    INPUT = 3
    OUTPUT = 4


@dataclass(eq=False)
class Buffer:
    """Memory of one or several tensors.

    Attributes:
        size: in bytes.
        place: which memory.
        offset: in the arena or the payload; the index of the input or output.
        content: the values of a constant.
    """

    size: int
    place: Place = Place.ARENA
    offset: int = 0
    content: NDArray[Any] | None = None


@dataclass(eq=False)
class Tensor:
    """A view of a buffer. Quantized 8-bit tensors have per-tensor `params`.

    With `channels_last` the axes are (N, ..., C) where ONNX has (N, C, ...).
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    buffer: Buffer
    params: QuantParams | None = None
    channels_last: bool = False

    @property
    def count(self) -> int:
        """The number of elements."""
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
    """An open size: a length of input axes that is known at run time only, and its bounds."""

    name: str
    minimum: int
    maximum: int


@dataclass(frozen=True, eq=False)
class Varying:
    """A length or attribute that is a polynomial in the open sizes s and t: the sum of c[3 i + j] s^i t^j, i, j <= 2.

    Attributes:
        owner: the tensor, or the operation.
        index: of the axis, or of the stored attribute.
        coefficients: the nine c; those of a missing size are 0.
    """

    owner: Tensor | Operation
    index: int
    coefficients: tuple[int, ...]


@dataclass
class Program:
    """The result of lowering a model; passes rewrite it in place."""

    operations: list[Operation] = field(default_factory=list)
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    sizes: list[Size] = field(default_factory=list)
    varying: list[Varying] = field(default_factory=list)

    def tensors(self) -> list[Tensor]:
        """All tensors without duplicates: inputs, outputs, then those of the operations in order."""
        tensors = [*self.inputs, *self.outputs]
        for operation in self.operations:
            tensors += [*operation.inputs, operation.output]
        return list({id(tensor): tensor for tensor in tensors}.values())

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
    """A tensor with a new buffer."""
    element = np.dtype(dtype)
    return Tensor(name, element, tuple(shape), Buffer(prod(shape) * element.itemsize), params)


def constant_tensor(name: str, array: NDArray[Any], params: QuantParams | None = None) -> Tensor:
    """A constant tensor with these values."""
    content = np.ascontiguousarray(array).reshape(np.shape(array))  # ascontiguousarray makes a vector of a scalar
    buffer = Buffer(content.nbytes, Place.CONSTANT, content=content)
    return Tensor(name, content.dtype, content.shape, buffer, params)


def view(tensor: Tensor, name: str, shape: Sequence[int]) -> Tensor:
    """A view of the same buffer in another shape with the same element count, in ONNX's axis order."""
    return Tensor(name, tensor.dtype, tuple(shape), tensor.buffer, tensor.params)


def float_bits(number: float | np.floating) -> int:
    """The bits of a float32 as an integer."""
    return int(np.float32(number).view(np.uint32))
