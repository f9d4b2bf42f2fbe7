"""The operators of the native runtime, read from its compiled operator schema (native/runtime/operators.def)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from octavo.native import operator_schema

Value = int | float | bool | str | list[int]


class Type(IntEnum):
    """How the 64-bit integer of an attribute is read."""

    INTEGER = 0
    BOOLEAN = 1
    REAL = 2
    CHOICE = 3


class Repeat(IntEnum):
    """How often an attribute is stored."""

    ONCE = 0
    PER_AXIS = 1
    PER_BATCH_AXIS = 2
    WITH_RESIDUAL = 3


@dataclass(frozen=True)
class Attribute:
    """One attribute of an operator.

    Attributes:
        name: unique within the operator.
        type: of each stored value. REAL values are stored as the bits of their float32.
        repeat: single values, lists with a value for each axis, or values only a fused residual add has.
        choices: the names that a CHOICE selects from; they are stored as 1, 2, and so on.
    """

    name: str
    type: Type
    repeat: Repeat
    choices: tuple[str, ...]

    def encode(self, value: Value) -> list[int]:
        """The stored integers of a value; a list for attributes that repeat per axis.

        Raises:
            ValueError: a choice that does not exist, or a single value where a list is stored or the reverse.
        """
        repeats = self.repeat in (Repeat.PER_AXIS, Repeat.PER_BATCH_AXIS)
        if isinstance(value, list):
            if not repeats:
                raise ValueError(f"attribute {self.name} takes one value, not {value!r}")
            return [int(item) for item in value]
        if repeats:
            raise ValueError(f"attribute {self.name} takes a list, not {value!r}")
        match self.type:
            case Type.REAL:
                return [int.from_bytes(struct.pack("<f", value), "little")]
            case Type.CHOICE:
                return [self.choices.index(str(value)) + 1]
            case _:
                return [int(value)]

    def decode(self, number: int) -> int | float | bool | str:
        """The value of one stored integer."""
        match self.type:
            case Type.REAL:
                return float(struct.unpack("<f", (number & 0xFFFFFFFF).to_bytes(4, "little"))[0])
            case Type.CHOICE:
                return self.choices[number - 1]
            case Type.BOOLEAN:
                return bool(number)
            case _:
                return number


@dataclass(frozen=True)
class Operator:
    """One line of the operator schema.

    Attributes:
        number: what a bundle stores for the operator.
        name: unique.
        takes_16_bit: whether its tensors may be uint16 or int16.
        attributes: in the order in which they are stored.
    """

    number: int
    name: str
    takes_16_bit: bool
    attributes: tuple[Attribute, ...]

    def pack(self, values: Mapping[str, Value]) -> list[int]:
        """Named values as the bundle stores them.

        Per-axis lists are stored one after the other, lists per batch axis interleaved: one record for each axis.

        Raises:
            ValueError: an attribute is missing or unknown, has the wrong form, or lists differ in length.
        """
        unknown = set(values) - {attribute.name for attribute in self.attributes}
        needed = [a for a in self.attributes if a.repeat != Repeat.WITH_RESIDUAL or a.name in values]
        missing = {attribute.name for attribute in needed} - set(values)
        if unknown or missing:
            raise ValueError(f"{self.name}: unknown attributes {sorted(unknown)}, missing {sorted(missing)}")
        numbers: list[int] = []
        records: list[list[int]] = []
        for attribute in needed:
            stored = attribute.encode(values[attribute.name])
            if attribute.repeat == Repeat.PER_BATCH_AXIS:
                records.append(stored)
            else:
                numbers += stored
        return numbers + [number for record in zip(*records, strict=True) for number in record]

    def unpack(self, numbers: Sequence[int]) -> dict[str, Value]:
        """The named values of what `pack` gave."""
        single = [a for a in self.attributes if a.repeat in (Repeat.ONCE, Repeat.WITH_RESIDUAL)]
        lists = [a for a in self.attributes if a.repeat == Repeat.PER_AXIS]
        records = [a for a in self.attributes if a.repeat == Repeat.PER_BATCH_AXIS]
        axes = (len(numbers) - len(single)) // len(lists) if lists else 0
        values: dict[str, Value] = {}
        at = 0
        for attribute in self.attributes:
            if attribute.repeat == Repeat.PER_AXIS:
                values[attribute.name] = list(numbers[at : at + axes])
                at += axes
            elif attribute.repeat != Repeat.PER_BATCH_AXIS and at < len(numbers):
                values[attribute.name] = attribute.decode(numbers[at])
                at += 1
        for offset, attribute in enumerate(records):
            values[attribute.name] = list(numbers[at + offset :: len(records)])
        return values


OPERATORS = {
    name: Operator(
        number,
        name,
        takes_16_bit,
        tuple(Attribute(a, Type(kind), Repeat(repeat), tuple(choices)) for a, kind, repeat, choices in attributes),
    )
    for number, name, takes_16_bit, attributes in operator_schema()
}
# By number, from 1.
KINDS = tuple(OPERATORS)
SHORTS = frozenset(name for name, operator in OPERATORS.items() if operator.takes_16_bit)


def _choices(operator: str) -> dict[str, int]:
    """The functions that an operator selects from, and their numbers."""
    (attribute,) = (a for a in OPERATORS[operator].attributes if a.name == "function")
    return {name: number for number, name in enumerate(attribute.choices, 1)}


UNARY = _choices("UnaryFloat")
REDUCTIONS = _choices("ReduceFloat")
COMPARISONS = _choices("Compare")
INTEGER = _choices("BinaryInteger")
