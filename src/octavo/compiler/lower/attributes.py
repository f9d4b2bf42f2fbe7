"""Attributes of ONNX nodes, and the windows that convolutions and pools say with them."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from octavo.compiler.lower.facts import Unsupported
from octavo.compiler.program import Tensor


def integers(node: ir.Node, name: str) -> list[int] | None:
    """A list of integers, or None where it is not given."""
    found = node.attributes.get(name)
    return None if found is None else [int(each) for each in found.as_ints()]


def integer(node: ir.Node, name: str, default: int) -> int:
    """An integer, or `default`."""
    found = node.attributes.get(name)
    return default if found is None else int(found.as_int())


def number(node: ir.Node, name: str, default: float) -> float:
    """A float, or `default`."""
    found = node.attributes.get(name)
    return default if found is None else float(found.as_float())


def text(node: ir.Node, name: str, default: str) -> str:
    """A string, or `default`."""
    found = node.attributes.get(name)
    return default if found is None else found.as_string()


def is_image(tensor: Tensor) -> bool:
    """Whether windows move over it: (N, C, L) or (N, C, H, W)."""
    return len(tensor.shape) in (3, 4)


def check_image(tensor: Tensor) -> None:
    """Refuse what windows do not move over."""
    if not is_image(tensor):
        raise Unsupported(f"over {max(len(tensor.shape) - 2, 0)} spatial axes")


def window(node: ir.Node, sizes: Sequence[int], kernel: Sequence[int]) -> list[int]:
    """Strides, pads (top, left, bottom, right) and dilations of a window over spatial axes of these sizes."""
    rank = len(kernel)
    strides = integers(node, "strides") or [1] * rank
    dilations = integers(node, "dilations") or [1] * rank
    if integer(node, "ceil_mode", 0):
        raise Unsupported("with ceil_mode")
    pads = _pads(node, sizes, kernel, strides, dilations)
    if min(pads) < 0:
        raise Unsupported("with negative pads")
    return [*_two(strides, 1), *_two(pads[:rank], 0), *_two(pads[rank:], 0), *_two(dilations, 1)]


def two(kernel: Sequence[int]) -> list[int]:
    """A kernel's height and width; one of length L is 1 by L."""
    return _two(kernel, 1)


def _two(values: Sequence[int], missing: int) -> list[int]:
    return [missing] * (2 - len(values)) + list(values)


def _pads(
    node: ir.Node, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    automatic, rank = text(node, "auto_pad", "NOTSET"), len(kernel)
    if automatic == "NOTSET":
        return integers(node, "pads") or [0] * 2 * rank
    if automatic == "VALID":
        return [0] * 2 * rank
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    all_of = [
        max(0, (-(-size // step) - 1) * step + long - size)
        for size, step, long in zip(sizes, strides, reach, strict=True)
    ]
    less, more = [each // 2 for each in all_of], [each - each // 2 for each in all_of]
    return less + more if automatic == "SAME_UPPER" else more + less
