"""Serialization of bundles, as docs/reference/bundle.md specifies them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.compiler.arena import aligned
from octavo.compiler.kinds import KINDS, OPERATORS
from octavo.compiler.program import Operation, Place, Program, Size, Tensor
from octavo.errors import ModelError

MAGIC, VERSION = b"OCTV", 2
MAX_RANK, MAX_BYTES = 6, 2**31 - 1
DTYPES: dict[np.dtype[Any], int] = {
    np.dtype(name): i for i, name in enumerate(("f4", "u1", "i1", "i4", "u2", "i2", "i8", "?"), 1)
}
_NAMES = {number: dtype for dtype, number in DTYPES.items()}
_HEADER = struct.Struct("<4sIQIIQ20Q")
_CHECKSUM_AT = 16
_TENSOR = struct.Struct("<IBBBx6IQQfiI4x")
_OPERATOR = struct.Struct("<IHHHHII12x")
_SIZE = struct.Struct("<III4x")
_VARYING = struct.Struct("<III4x9q")
_DIM, _ATTRIBUTE = 1, 2


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of a bundle; `offset` is in the arena or the payload, or the index of the input or output."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    place: Place
    offset: int
    size: int
    scale: float
    zero_point: int


@dataclass(frozen=True)
class StoredOperator:
    """An operator of a bundle; its tensors by index, its attributes as stored."""

    kind: str
    name: str
    inputs: tuple[int, ...]
    output: int
    attributes: tuple[int, ...]


@dataclass(frozen=True)
class Bundle:
    """The tables of a bundle, without its payload."""

    tensors: tuple[StoredTensor, ...]
    operators: tuple[StoredOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    arena_bytes: int
    payload_bytes: int
    sizes: tuple[Size, ...]


def write_bundle(program: Program, arena_bytes: int) -> bytes:
    """Serialize a program with a planned arena.

    Raises:
        ModelError: the program exceeds the limits of a bundle.
    """
    tensors = program.tensors()
    numbers = {id(tensor): number for number, tensor in enumerate(tensors)}
    payload = _payload(tensors)
    strings = _Strings()
    buffers = {id(tensor.buffer): number for number, tensor in reversed(list(enumerate(tensors)))}
    records = b"".join(_tensor_record(tensor, buffers[id(tensor.buffer)], strings) for tensor in tensors)
    operators, operands, attributes = _operator_tables(program.operations, numbers, strings)
    sizes = b"".join(_SIZE.pack(strings.offset(size.name), size.minimum, size.maximum) for size in program.sizes)
    varying = _varying(program, numbers)
    slots = [_integers([numbers[id(t)] for t in ends], "u4") for ends in (program.inputs, program.outputs)]
    parts = [
        (records, len(tensors)),
        (operators, len(program.operations)),
        (operands, len(operands) // 4),
        (attributes, len(attributes) // 8),
        (slots[0], len(program.inputs)),
        (slots[1], len(program.outputs)),
        (bytes(strings.content), len(strings.content)),
        (payload, len(payload)),
        (sizes, len(program.sizes)),
        (varying, len(program.varying)),
    ]
    if arena_bytes > MAX_BYTES:
        raise ModelError(f"the model needs {arena_bytes} bytes of working memory; a bundle allows {MAX_BYTES}")
    return _assemble(parts, arena_bytes)


def read_bundle(content: bytes) -> Bundle:
    """Parse the tables of a bundle that the runtime has opened and validated; there are no bounds checks here."""
    head = _HEADER.unpack_from(content)
    tables = list(zip(head[6::2], head[7::2], strict=True))
    strings = content[tables[6][0] : tables[6][0] + tables[6][1]]

    def name(offset: int) -> str:
        return strings[offset : strings.index(b"\0", offset)].decode(errors="replace")

    operands = np.frombuffer(content, "<u4", tables[2][1], tables[2][0]).tolist()
    attributes = np.frombuffer(content, "<i8", tables[3][1], tables[3][0]).tolist()
    tensors = [_stored_tensor(r, name(r[0])) for r in _records(content, _TENSOR, tables[0])]
    operators = [
        StoredOperator(
            KINDS[kind - 1],
            name(label),
            tuple(operands[i : i + n]),
            operands[i + n],
            tuple(attributes[a : a + m]),
        )
        for label, kind, n, _, m, i, a in _records(content, _OPERATOR, tables[1])
    ]
    inputs, outputs = (tuple(np.frombuffer(content, "<u4", tables[i][1], tables[i][0]).tolist()) for i in (4, 5))
    sizes = tuple(
        Size(name(label), minimum, maximum) for label, minimum, maximum in _records(content, _SIZE, tables[8])
    )
    return Bundle(tuple(tensors), tuple(operators), inputs, outputs, head[5], tables[7][1], sizes)


def checksum(content: bytes | bytearray) -> int:
    """CRC-32 of a bundle, with its checksum field read as zero."""
    crc = zlib.crc32(bytes(4), zlib.crc32(content[:_CHECKSUM_AT]))
    return zlib.crc32(content[_CHECKSUM_AT + 4 :], crc)


def with_checksum(content: bytes) -> bytes:
    """The bundle with its checksum field set."""
    return content[:_CHECKSUM_AT] + struct.pack("<I", checksum(content)) + content[_CHECKSUM_AT + 4 :]


class _Strings:
    """The string table: zero-terminated names, each stored once."""

    def __init__(self) -> None:
        self.content = bytearray()
        self._offsets: dict[str, int] = {}

    def offset(self, name: str) -> int:
        if name not in self._offsets:
            self._offsets[name] = len(self.content)
            self.content += name.replace("\0", " ").encode(errors="replace") + b"\0"
        return self._offsets[name]


def _payload(tensors: Sequence[Tensor]) -> bytes:
    """The payload: aligned constants, equal ones stored once. Sets the offsets of their buffers."""
    payload, offsets = bytearray(), dict[bytes, int]()
    for tensor in tensors:
        content = tensor.buffer.content
        if content is None:
            continue
        stored = content.astype(content.dtype.newbyteorder("<"), copy=False).tobytes()
        if stored not in offsets:
            payload += bytes(aligned(len(payload)) - len(payload))
            offsets[stored] = len(payload)
            payload += stored
        tensor.buffer.offset = offsets[stored]
    return bytes(payload)


def _tensor_record(tensor: Tensor, buffer: int, strings: _Strings) -> bytes:
    if len(tensor.shape) > MAX_RANK or tensor.buffer.size > MAX_BYTES:
        raise ModelError(f"tensor '{tensor.name}' of shape {tensor.shape} exceeds the limits of a bundle")
    dims = [*tensor.shape, *[0] * (MAX_RANK - len(tensor.shape))]
    scale = 1.0 if tensor.params is None else float(tensor.params.scale)
    zero_point = 0 if tensor.params is None else int(tensor.params.zero_point)
    return _TENSOR.pack(
        strings.offset(tensor.name),
        DTYPES[tensor.dtype],
        len(tensor.shape),
        tensor.buffer.place,
        *dims,
        tensor.buffer.offset,
        tensor.buffer.size,
        scale,
        zero_point,
        buffer,
    )


def _varying(program: Program, numbers: dict[int, int]) -> bytes:
    """Records of the lengths and attributes that depend on open sizes."""
    firsts, first = dict[int, int](), 0
    for operation in program.operations:
        firsts[id(operation)], first = first, first + len(operation.stored_attributes)
    records = bytearray()
    for entry in program.varying:
        if isinstance(entry.owner, Tensor):
            where = (_DIM, numbers[id(entry.owner)], entry.index)
        else:
            where = (_ATTRIBUTE, firsts[id(entry.owner)] + entry.index, 0)
        records += _VARYING.pack(*where, *entry.coefficients)
    return bytes(records)


def _operator_tables(
    operations: Sequence[Operation], numbers: dict[int, int], strings: _Strings
) -> tuple[bytes, bytes, bytes]:
    records, operands, attributes = bytearray(), list[int](), list[int]()
    for operation in operations:
        number, label = OPERATORS[operation.kind].number, strings.offset(operation.name)
        stored = operation.stored_attributes
        counts = (len(operation.inputs), 1, len(stored))
        records += _OPERATOR.pack(label, number, *counts, len(operands), len(attributes))
        operands += [numbers[id(tensor)] for tensor in (*operation.inputs, operation.output)]
        attributes += stored
    return bytes(records), _integers(operands, "u4"), _integers(attributes, "i8")


def _integers(values: Sequence[int], kind: str) -> bytes:
    return np.asarray(values, f"<{kind}").tobytes()


def _assemble(parts: Sequence[tuple[bytes, int]], arena_bytes: int) -> bytes:
    body, tables = bytearray(bytes(aligned(_HEADER.size))), list[int]()
    for content, count in parts:
        body += bytes(aligned(len(body)) - len(body))
        tables += [len(body), count]
        body += content
    _HEADER.pack_into(body, 0, MAGIC, VERSION, len(body), 0, 0, arena_bytes, *tables)
    return with_checksum(bytes(body))


def _records(content: bytes, record: struct.Struct, table: tuple[int, int]) -> list[tuple[Any, ...]]:
    return [record.unpack_from(content, table[0] + number * record.size) for number in range(table[1])]


def _stored_tensor(record: tuple[Any, ...], name: str) -> StoredTensor:
    _, dtype, rank, place, *rest = record
    offset, size, scale, zero_point, _ = rest[MAX_RANK:]
    return StoredTensor(name, _NAMES[dtype], tuple(rest[:rank]), Place(place), offset, size, scale, zero_point)
