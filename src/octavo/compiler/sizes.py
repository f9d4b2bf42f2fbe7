"""Sizes that stay open: a model lowered at several lengths, and what in its program follows from them.

Lengths of axes and attributes are polynomials of the sizes with whole coefficients: of a batch linear, of another size
quadratic, as the steps from mask to mask of an attention are. The coefficients come from programs at neighbouring
lengths, and must foretell those at the least and the greatest: a limit within the model, or windows that take steps,
show there. The runtime checks every operator anew at the sizes that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import product

import numpy as np

from octavo.compiler.program import Operation, Program, Size, Tensor, Varying
from octavo.errors import ModelError, OptionError

MOST_SIZES = 2
# Below it, operators are often left out, which make a difference beyond.
_LEAST = 2

Lengths = tuple[int, ...]


class Fixed(Exception):  # noqa: N818 - a finding, not a fault
    """The program at some length is another one; the words say where."""


def leave_open(
    lower: Callable[[Lengths], Program],
    sizes: Sequence[Size],
    firsts: Lengths,
    degrees: Lengths,
    defaults: Lengths,
    unbounded: int,
) -> Program:
    """The program of a model at its default lengths, with all that varies.

    Args:
        lower: the program at these lengths of the sizes.
        sizes: one or two.
        firsts: of each size the first length to lower at.
        degrees: of the polynomials in each size, 1 or 2; so many lengths beyond the first are within its bounds.
        defaults: of each size the length that the program is for.
        unbounded: the greatest length where nobody said one.

    Raises:
        Fixed: the programs differ by more than lengths and attributes of that form.
        ModelError: some length cannot be lowered.
        OptionError: a constant grows with a size whose bounds nobody said.
    """
    found = lower(firsts)
    found.sizes = list(sizes)
    programs = {firsts: found}

    def add(lengths: Lengths) -> None:
        if lengths not in programs:
            program = lower(lengths)
            _compare(found, program)
            _share_constants(found, program)
            programs[lengths] = program

    for steps in product(*(range(degree + 1) for degree in degrees)):
        add(tuple(first + step for first, step in zip(firsts, steps, strict=True)))
    found.varying = _varying(programs, firsts, degrees)
    _refuse_growth(programs, firsts, unbounded)
    # What is too short for some operator the runtime refuses by itself.
    with suppress(Fixed, ModelError):
        add(tuple(max(size.least, min(_LEAST, size.most)) for size in sizes))
    greatest = tuple(size.most for size in sizes)
    add(greatest)
    found.varying = _varying(programs, firsts, degrees)
    _keep_longest(programs, firsts, greatest)
    _set(found, defaults)
    return found


def _compare(one: Program, other: Program) -> None:
    """Let both be the same but for lengths and attributes.

    Raises:
        Fixed: they are not.
    """
    pairs = list(zip(one.operations, other.operations, strict=False))
    for a, b in pairs:
        if (a.kind, a.name, len(a.inputs), len(a.attributes)) != (b.kind, b.name, len(b.inputs), len(b.attributes)):
            raise Fixed(f"operator '{a.name}' is another one at another length")
    if len(one.operations) != len(other.operations):
        raise Fixed("there are other operators at another length")
    if _wiring(one) != _wiring(other):
        raise Fixed("operators are connected otherwise at another length")
    for s, t in zip(one.tensors(), other.tensors(), strict=True):
        same = s.dtype == t.dtype and len(s.shape) == len(t.shape) and s.buffer.place == t.buffer.place
        if not same or repr(s.params) != repr(t.params):
            raise Fixed(f"tensor '{s.name}' is another one at another length")


def _wiring(program: Program) -> list[list[int]]:
    """Which tensors and buffers operations name, as numbers in the order of appearance."""
    tensors = program.tensors()
    numbers = {id(tensor): number for number, tensor in enumerate(tensors)}
    buffers = {id(tensor.buffer): number for number, tensor in enumerate(tensors)}
    operands = [[numbers[id(each)] for each in (*op.inputs, op.output)] for op in program.operations]
    return [*operands, [buffers[id(tensor.buffer)] for tensor in tensors]]


def _varying(programs: Mapping[Lengths, Program], firsts: Lengths, degrees: Lengths) -> list[Varying]:
    found: list[Varying] = []
    tensors = {lengths: program.tensors() for lengths, program in programs.items()}
    for number, tensor in enumerate(tensors[firsts]):
        for axis in range(len(tensor.shape)):
            values = {lengths: each[number].shape[axis] for lengths, each in tensors.items()}
            found += _fitted(tensor, axis, values, firsts, degrees)
    for number, operation in enumerate(programs[firsts].operations):
        for index in range(len(operation.attributes)):
            values = {lengths: each.operations[number].attributes[index] for lengths, each in programs.items()}
            found += _fitted(operation, index, values, firsts, degrees)
    return found


def _fitted(
    owner: Tensor | Operation, index: int, values: Mapping[Lengths, int], firsts: Lengths, degrees: Lengths
) -> list[Varying]:
    """What varies, if it does.

    Raises:
        Fixed: it does not follow from the sizes.
    """
    if len(set(values.values())) == 1:
        return []
    coefficients = _through(values, firsts, degrees)
    if any(evaluate(coefficients, lengths) != value for lengths, value in values.items()):
        what = "an attribute of operator" if isinstance(owner, Operation) else f"axis {index} of tensor"
        raise Fixed(f"{what} '{owner.name}' does not grow evenly with it")
    return [Varying(owner, index, coefficients)]


def _through(values: Mapping[Lengths, int], firsts: Lengths, degrees: Lengths) -> tuple[int, ...]:
    """The coefficients of the polynomial through the values at neighbouring lengths."""
    (s, t), (along_s, along_t) = (*firsts, 0)[:2], (*degrees, 0)[:2]
    rows = [
        _monomials([values[(s + i, t + j)[: len(firsts)]] for j in range(along_t + 1)], t) for i in range(along_s + 1)
    ]
    columns = [_monomials([row[power] for row in rows], s) for power in range(3)]
    return tuple(columns[j][i] for i in range(3) for j in range(3))


def _monomials(values: Sequence[int], first: int) -> list[int]:
    """c0 to c2 of the polynomial c0 + c1 x + c2 x^2 through the values at one to three lengths from the first on.

    A coefficient that is no whole number is cut, so that the polynomial does not foretell the values.
    """
    second = 0 if len(values) < 3 else (values[2] - 2 * values[1] + values[0]) // 2
    slope = 0 if len(values) < 2 else values[1] - values[0] - second * (2 * first + 1)
    return [values[0] - slope * first - second * first * first, slope, second]


def evaluate(coefficients: tuple[int, ...], lengths: Lengths) -> int:
    """The number at these lengths."""
    s, t = (*lengths, 0)[:2]
    return sum(coefficients[3 * i + j] * s**i * t**j for i in range(3) for j in range(3))


def _growing(programs: Mapping[Lengths, Program], firsts: Lengths) -> list[int]:
    """The numbers of constants that are not the same at all lengths."""
    lists = [program.tensors() for program in programs.values()]
    own = programs[firsts].tensors()
    return [
        number
        for number, tensor in enumerate(own)
        if any(each[number].buffer.content is not tensor.buffer.content for each in lists)
    ]


def _refuse_growth(programs: Mapping[Lengths, Program], firsts: Lengths, unbounded: int) -> None:
    """A constant that grows without a bound would fill the memory.

    Raises:
        OptionError: there is one.
    """
    found = programs[firsts]
    for tensor in (found.tensors()[number] for number in _growing(programs, firsts)):
        for size in (found.sizes[index] for index in _grows_with(tensor, found.varying)):
            if size.most == unbounded:
                raise OptionError(
                    f"the constant '{tensor.name}' grows with '{size.name}'; say how long that may be: "
                    f"`dims={{'{size.name}': (1, 512)}}`"
                )


def _keep_longest(programs: Mapping[Lengths, Program], firsts: Lengths, greatest: Lengths) -> None:
    """Let a constant that grows, such as a table of positions, hold what the greatest lengths need.

    Raises:
        Fixed: it has other values, not only more, at another length.
    """
    lists = [program.tensors() for program in programs.values()]
    longest, own = programs[greatest].tensors(), programs[firsts].tensors()
    for number in _growing(programs, firsts):
        content = _values(longest[number])
        for each in lists:
            part = _values(each[number])
            if not np.array_equal(part, content[: part.size]):
                raise Fixed(f"the constant '{own[number].name}' has other values at another length")
        own[number].buffer.content = content


def _grows_with(tensor: Tensor, varying: Sequence[Varying]) -> set[int]:
    """The numbers of the sizes that the tensor's shape follows from."""
    coefficients = [each.coefficients for each in varying if each.owner is tensor]
    along_s = any(any(each[3:]) for each in coefficients)
    along_t = any(each[3 * i + j] for each in coefficients for i in range(3) for j in (1, 2))
    return {size for size, found in enumerate((along_s, along_t)) if found}


def _share_constants(one: Program, other: Program) -> None:
    """Equal constants, of which there may be gigabytes, are kept once."""
    for s, t in zip(one.tensors(), other.tensors(), strict=True):
        kept, own = s.buffer.content, t.buffer.content
        if kept is not None and own is not None and np.array_equal(kept, own):
            t.buffer.content = kept


def _values(tensor: Tensor) -> np.ndarray:
    assert tensor.buffer.content is not None
    return tensor.buffer.content.reshape(-1)


def _set(program: Program, lengths: Lengths) -> None:
    """Let the program be that of these lengths."""
    for each in program.varying:
        value = evaluate(each.coefficients, lengths)
        if isinstance(each.owner, Tensor):
            shape = each.owner.shape
            each.owner.shape = (*shape[: each.index], value, *shape[each.index + 1 :])
        else:
            each.owner.attributes[each.index] = value
    for tensor in program.tensors():
        tensor.buffer.size = tensor.count * tensor.dtype.itemsize
