"""Sizes that stay open: a model lowered at several lengths, and what in its program follows from them.

Lengths of axes and attributes are c0 + c1 s + c2 t + c3 s t of the sizes s and t. The coefficients come from programs
at neighbouring lengths, and must foretell another program farther off. The runtime checks every operator anew at the
sizes that it is given, so a length at which an operator would not fit is refused there, never run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from octavo.errors import OptionError
from octavo.export.program import Operation, Program, Size, Tensor, Varying

MOST_SIZES = 2
# The last of the lengths that a program is made at, counted from the first.
FARTHEST = 3

Lengths = tuple[int, ...]


class Fixed(Exception):  # noqa: N818 - a finding, not a fault
    """The program at some length is another one; the words say where."""


def leave_open(
    lower: Callable[[Lengths], Program], sizes: Sequence[Size], firsts: Lengths, defaults: Lengths, most: int
) -> Program:
    """The program of a model at its default lengths, with all that varies.

    Args:
        lower: the program at these lengths of the sizes.
        sizes: one or two.
        firsts: of each size the first length to lower at; three more are within its bounds.
        defaults: of each size the length that the program is for.
        most: what stands for no upper bound.

    Raises:
        Fixed: the programs differ by more than lengths and attributes of that form.
        ModelError: some length cannot be lowered.
        OptionError: a constant grows with a size that has no upper bound.
    """
    corners = [tuple(first + step for first, step in zip(firsts, steps, strict=True)) for steps in _steps(len(sizes))]
    farthest = tuple(first + FARTHEST for first in firsts)
    programs = {lengths: lower(lengths) for lengths in [*corners, farthest]}
    found = programs[firsts]
    for other in programs.values():
        _compare(found, other)
    found.sizes = list(sizes)
    found.varying = _varying(programs, firsts)
    _keep_longest(found, programs, lower, firsts, most)
    _set(found, defaults)
    return found


def _steps(count: int) -> list[Lengths]:
    return [(0,), (1,)] if count == 1 else [(0, 0), (1, 0), (0, 1), (1, 1)]


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


def _varying(programs: Mapping[Lengths, Program], firsts: Lengths) -> list[Varying]:
    found: list[Varying] = []
    tensors = {lengths: program.tensors() for lengths, program in programs.items()}
    for number, tensor in enumerate(tensors[firsts]):
        for axis in range(len(tensor.shape)):
            values = {lengths: each[number].shape[axis] for lengths, each in tensors.items()}
            found += _fitted(tensor, axis, values, firsts)
    for number, operation in enumerate(programs[firsts].operations):
        for index in range(len(operation.attributes)):
            values = {lengths: each.operations[number].attributes[index] for lengths, each in programs.items()}
            found += _fitted(operation, index, values, firsts)
    return found


def _fitted(owner: Tensor | Operation, index: int, values: Mapping[Lengths, int], firsts: Lengths) -> list[Varying]:
    """What varies, if it does.

    Raises:
        Fixed: it does not follow from the sizes.
    """
    if len(set(values.values())) == 1:
        return []
    coefficients = _through(values, firsts)
    if any(evaluate(coefficients, lengths) != value for lengths, value in values.items()):
        what = "an attribute of operator" if isinstance(owner, Operation) else f"axis {index} of tensor"
        raise Fixed(f"{what} '{owner.name}' does not grow evenly with it")
    return [Varying(owner, index, coefficients)]


def _through(values: Mapping[Lengths, int], firsts: Lengths) -> tuple[int, int, int, int]:
    """The coefficients through the values at the corners."""
    if len(firsts) == 1:
        slope = values[firsts[0] + 1,] - values[firsts]
        return values[firsts] - slope * firsts[0], slope, 0, 0
    s, t = firsts
    along_s, along_t = values[s + 1, t] - values[s, t], values[s, t + 1] - values[s, t]
    both = values[s + 1, t + 1] - values[s, t] - along_s - along_t
    first, second = along_s - both * t, along_t - both * s
    return values[s, t] - first * s - second * t - both * s * t, first, second, both


def evaluate(coefficients: tuple[int, int, int, int], lengths: Lengths) -> int:
    """The number at these lengths."""
    s, t = (*lengths, 0)[:2]
    return coefficients[0] + coefficients[1] * s + coefficients[2] * t + coefficients[3] * s * t


def _keep_longest(
    found: Program, programs: Mapping[Lengths, Program], lower: Callable[[Lengths], Program], firsts: Lengths, most: int
) -> None:
    """Let a constant that grows, such as a table of positions, hold what the greatest lengths need.

    Raises:
        Fixed: it has other values, not only more, at another length.
        OptionError: there is no greatest length.
    """
    lists = [program.tensors() for program in programs.values()]
    own = found.tensors()
    growing = [number for number in range(len(own)) if not _same(*(each[number] for each in lists))]
    if not growing:
        return
    lengths = list(firsts)
    for number in growing:
        for index in _grows_with(own[number], found.varying):
            size = found.sizes[index]
            if size.most == most:
                raise OptionError(
                    f"the constant '{own[number].name}' grows with '{size.name}'; say how long that may be: "
                    f"--dim {size.name}=1..512"
                )
            lengths[index] = size.most
    longest = lower(tuple(lengths)).tensors()
    for number in growing:
        content = _values(longest[number])
        for each in lists:
            part = _values(each[number])
            if part.size > content.size or not np.array_equal(part, content[: part.size]):
                raise Fixed(f"the constant '{own[number].name}' has other values at another length")
        own[number].buffer.content = content


def _grows_with(tensor: Tensor, varying: Sequence[Varying]) -> set[int]:
    """The numbers of the sizes that the tensor's shape follows from."""
    coefficients = [each.coefficients for each in varying if each.owner is tensor]
    return {size for size in (0, 1) if any(each[size + 1] or each[3] for each in coefficients)}


def _same(*tensors: Tensor) -> bool:
    contents = [tensor.buffer.content for tensor in tensors]
    return contents[0] is None or all(np.array_equal(contents[0], each) for each in contents if each is not None)


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
