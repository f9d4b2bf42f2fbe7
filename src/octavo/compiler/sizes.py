"""Open sizes: a model lowered at several lengths of its dynamic dimensions, and how its program depends on them.

Shapes and attributes are polynomials in the open sizes with integer coefficients: linear in a batch, quadratic in any
other size, as the stride between the attention masks of a batch is. The coefficients are fitted to the programs at
adjacent lengths, and must predict those at the smallest and the largest length too: that reveals a limit inside the
model, or windows with a stride. The runtime checks every operator again at the sizes of each run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product

import numpy as np

from octavo.compiler.program import Operation, Program, Size, Tensor, Varying
from octavo.errors import ModelError, OptionError

MAX_SIZES = 2
# Below this length operators are often left out.
_SMALLEST = 2

Lengths = tuple[int, ...]


@dataclass(frozen=True)
class SampleLengths:
    """The lengths at which a model is lowered; one of each per open size.

    Attributes:
        firsts: the first length to fit at.
        degrees: of the polynomials, 1 or 2; the next lengths to fit at, as many as the degree, are within bounds.
        defaults: the length that the program is compiled for.
    """

    firsts: Lengths
    degrees: Lengths
    defaults: Lengths


class FixedSizeError(Exception):
    """The program at another length differs in structure; the message says where."""


def lower_with_open_sizes(
    lower: Callable[[Lengths], Program], sizes: Sequence[Size], samples: SampleLengths, unbounded: int
) -> Program:
    """The program of a model at its default lengths, with all that depends on the open sizes.

    Args:
        lower: the program at these lengths of the sizes.
        sizes: one or two open sizes.
        samples: the lengths to lower at.
        unbounded: the largest length of a size without bounds.

    Raises:
        FixedSizeError: the programs differ in more than shapes and attributes of that form.
        ModelError: the model cannot be lowered at some length.
        OptionError: a constant grows with a size without bounds.
    """
    firsts, degrees = samples.firsts, samples.degrees
    first = lower(firsts)
    first.sizes = list(sizes)
    programs = {firsts: first}

    def add(lengths: Lengths) -> None:
        if lengths not in programs:
            program = lower(lengths)
            _check_same_structure(first, program)
            _share_constants(first, program)
            programs[lengths] = program

    for steps in product(*(range(degree + 1) for degree in degrees)):
        add(tuple(length + step for length, step in zip(firsts, steps, strict=True)))
    first.varying = _varying(programs, firsts, degrees)
    _refuse_growth(programs, firsts, unbounded)
    # Lengths that are too small for some operator are refused by the runtime.
    with suppress(FixedSizeError, ModelError):
        add(tuple(max(size.minimum, min(_SMALLEST, size.maximum)) for size in sizes))
    largest = tuple(size.maximum for size in sizes)
    add(largest)
    first.varying = _varying(programs, firsts, degrees)
    _keep_longest(programs, firsts, largest)
    _set_lengths(first, samples.defaults)
    return first


def _check_same_structure(one: Program, other: Program) -> None:
    """Check that two programs differ in shapes and attributes only.

    Raises:
        FixedSizeError: they differ in more.
    """
    pairs = list(zip(one.operations, other.operations, strict=False))
    for a, b in pairs:
        if _shape_of(a) != _shape_of(b):
            raise FixedSizeError(f"operator '{a.name}' is a different one at another length")
    if len(one.operations) != len(other.operations):
        raise FixedSizeError("there are different operators at another length")
    if _wiring(one) != _wiring(other):
        raise FixedSizeError("operators are connected differently at another length")
    for s, t in zip(one.tensors(), other.tensors(), strict=True):
        same = s.dtype == t.dtype and len(s.shape) == len(t.shape) and s.buffer.place == t.buffer.place
        if not same or repr(s.params) != repr(t.params):
            raise FixedSizeError(f"tensor '{s.name}' is a different one at another length")


def _shape_of(operation: Operation) -> tuple[str, str, int, int]:
    """What an operation has in common at all lengths."""
    return operation.kind, operation.name, len(operation.inputs), len(operation.stored_attributes)


def _wiring(program: Program) -> list[list[int]]:
    """The tensors and buffers of every operation, numbered in order of appearance."""
    tensors = program.tensors()
    numbers = {id(tensor): number for number, tensor in enumerate(tensors)}
    buffers = {id(tensor.buffer): number for number, tensor in enumerate(tensors)}
    operands = [[numbers[id(tensor)] for tensor in (*op.inputs, op.output)] for op in program.operations]
    return [*operands, [buffers[id(tensor.buffer)] for tensor in tensors]]


def _varying(programs: Mapping[Lengths, Program], firsts: Lengths, degrees: Lengths) -> list[Varying]:
    varying: list[Varying] = []
    tensors = {lengths: program.tensors() for lengths, program in programs.items()}
    for number, tensor in enumerate(tensors[firsts]):
        for axis in range(len(tensor.shape)):
            values = {lengths: of_program[number].shape[axis] for lengths, of_program in tensors.items()}
            varying += _fitted(tensor, axis, values, firsts, degrees)
    for number, operation in enumerate(programs[firsts].operations):
        stored = {lengths: program.operations[number].stored_attributes for lengths, program in programs.items()}
        for index in range(len(stored[firsts])):
            values = {lengths: attributes[index] for lengths, attributes in stored.items()}
            varying += _fitted(operation, index, values, firsts, degrees)
    return varying


def _fitted(
    owner: Tensor | Operation, index: int, values: Mapping[Lengths, int], firsts: Lengths, degrees: Lengths
) -> list[Varying]:
    """The polynomial of a value that depends on the sizes; empty if it is constant.

    Raises:
        FixedSizeError: the value is no such polynomial.
    """
    if len(set(values.values())) == 1:
        return []
    coefficients = _fit(values, firsts, degrees)
    if any(evaluate(coefficients, lengths) != value for lengths, value in values.items()):
        what = "an attribute of operator" if isinstance(owner, Operation) else f"axis {index} of tensor"
        raise FixedSizeError(f"{what} '{owner.name}' is not a polynomial in it")
    return [Varying(owner, index, coefficients)]


def _fit(values: Mapping[Lengths, int], firsts: Lengths, degrees: Lengths) -> tuple[int, ...]:
    """Coefficients of the polynomial through the values at adjacent lengths."""
    (s, t), (degree_s, degree_t) = (*firsts, 0)[:2], (*degrees, 0)[:2]
    rows = [
        _monomials([values[(s + i, t + j)[: len(firsts)]] for j in range(degree_t + 1)], t) for i in range(degree_s + 1)
    ]
    columns = [_monomials([row[power] for row in rows], s) for power in range(3)]
    return tuple(columns[j][i] for i in range(3) for j in range(3))


def _monomials(values: Sequence[int], first: int) -> list[int]:
    """c0, c1, c2 of c0 + c1 x + c2 x^2 through one to three values, at x = first, first + 1, first + 2.

    A fractional coefficient is truncated; the polynomial then does not predict the values, which the caller checks.
    """
    second = 0 if len(values) < 3 else (values[2] - 2 * values[1] + values[0]) // 2
    slope = 0 if len(values) < 2 else values[1] - values[0] - second * (2 * first + 1)
    return [values[0] - slope * first - second * first * first, slope, second]


def evaluate(coefficients: tuple[int, ...], lengths: Lengths) -> int:
    """The polynomial at these lengths."""
    s, t = (*lengths, 0)[:2]
    return sum(coefficients[3 * i + j] * s**i * t**j for i in range(3) for j in range(3))


def _growing(programs: Mapping[Lengths, Program], firsts: Lengths) -> list[int]:
    """Indices of the constants that differ between lengths."""
    lists = [program.tensors() for program in programs.values()]
    own = programs[firsts].tensors()
    return [
        number
        for number, tensor in enumerate(own)
        if any(tensors[number].buffer.content is not tensor.buffer.content for tensors in lists)
    ]


def _refuse_growth(programs: Mapping[Lengths, Program], firsts: Lengths, unbounded: int) -> None:
    """Refuse constants that grow with a size without bounds: they would be stored for its largest length.

    Raises:
        OptionError: there is one.
    """
    program = programs[firsts]
    for tensor in (program.tensors()[number] for number in _growing(programs, firsts)):
        for size in (program.sizes[index] for index in _grows_with(tensor, program.varying)):
            if size.maximum == unbounded:
                raise OptionError(
                    f"the constant '{tensor.name}' grows with '{size.name}'; set its bounds: "
                    f"`dims={{'{size.name}': (1, 512)}}`"
                )


def _keep_longest(programs: Mapping[Lengths, Program], firsts: Lengths, largest: Lengths) -> None:
    """Store a constant that grows, such as a table of position embeddings, at its largest length.

    Raises:
        FixedSizeError: at a smaller length it is not a prefix of that.
    """
    lists = [program.tensors() for program in programs.values()]
    longest, own = programs[largest].tensors(), programs[firsts].tensors()
    for number in _growing(programs, firsts):
        content = _values(longest[number])
        for tensors in lists:
            part = _values(tensors[number])
            if not np.array_equal(part, content[: part.size]):
                raise FixedSizeError(f"the constant '{own[number].name}' has different values at another length")
        own[number].buffer.content = content


def _grows_with(tensor: Tensor, varying: Sequence[Varying]) -> set[int]:
    """Indices of the sizes that the tensor's shape depends on."""
    coefficients = [entry.coefficients for entry in varying if entry.owner is tensor]
    with_s = any(any(c[3:]) for c in coefficients)
    with_t = any(c[3 * i + j] for c in coefficients for i in range(3) for j in (1, 2))
    return {size for size, depends in enumerate((with_s, with_t)) if depends}


def _share_constants(one: Program, other: Program) -> None:
    """Let equal constants share memory: there may be gigabytes."""
    for s, t in zip(one.tensors(), other.tensors(), strict=True):
        shared, own = s.buffer.content, t.buffer.content
        if shared is not None and own is not None and np.array_equal(shared, own):
            t.buffer.content = shared


def _values(tensor: Tensor) -> np.ndarray:
    assert tensor.buffer.content is not None
    return tensor.buffer.content.reshape(-1)


def _set_lengths(program: Program, lengths: Lengths) -> None:
    """Set shapes and attributes to their values at these lengths, in place."""
    for entry in program.varying:
        value, owner = evaluate(entry.coefficients, lengths), entry.owner
        if isinstance(owner, Tensor):
            owner.shape = (*owner.shape[: entry.index], value, *owner.shape[entry.index + 1 :])
        else:
            stored = owner.stored_attributes
            stored[entry.index] = value
            owner.stored_attributes = stored
    for tensor in program.tensors():
        tensor.buffer.size = tensor.count * tensor.dtype.itemsize
