"""The sliding window of convolutions and pooling: kernel, strides, pads and dilations over two spatial axes.

A window over (N, C, L) is one of height 1 over (N, C, 1, L).
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from octavo.compiler.lower.onnx_attributes import integer, integers, text
from octavo.compiler.lower.values import Unsupported
from octavo.compiler.program import Tensor


def check_image(tensor: Tensor) -> None:
    """Refuse a tensor that has not one or two spatial axes."""
    if len(tensor.shape) not in (3, 4):
        raise Unsupported(f"over {max(len(tensor.shape) - 2, 0)} spatial axes")


def window(node: ir.Node, sizes: Sequence[int], kernel: Sequence[int]) -> dict[str, int]:
    """Strides, pads and dilations over spatial axes of these sizes, as attributes of a kernel."""
    rank = len(kernel)
    strides = integers(node, "strides") or [1] * rank
    dilations = integers(node, "dilations") or [1] * rank
    if integer(node, "ceil_mode", 0):
        raise Unsupported("with ceil_mode")
    pads = _pads(node, sizes, kernel, strides, dilations)
    if min(pads) < 0:
        raise Unsupported("with negative pads")
    before, after = two(pads[:rank], 0), two(pads[rank:], 0)
    return {
        **height_width("stride", strides),
        "pad_top": before[0],
        "pad_left": before[1],
        "pad_bottom": after[0],
        "pad_right": after[1],
        **height_width("dilation", dilations),
    }


def height_width(name: str, values: Sequence[int]) -> dict[str, int]:
    """One value per spatial axis as two attributes of a kernel; 1 is the height of a 1-D window."""
    height, width = two(values)
    return {f"{name}_h": height, f"{name}_w": width}


def two(values: Sequence[int], missing: int = 1) -> list[int]:
    """One value per spatial axis as height and width; `missing` is the height of a 1-D window."""
    return [missing] * (2 - len(values)) + list(values)


def _pads(
    node: ir.Node, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    auto_pad, rank = text(node, "auto_pad", "NOTSET"), len(kernel)
    if auto_pad == "NOTSET":
        return integers(node, "pads") or [0] * 2 * rank
    if auto_pad == "VALID":
        return [0] * 2 * rank
    extents = [(k - 1) * dilation + 1 for k, dilation in zip(kernel, dilations, strict=True)]
    totals = [
        max(0, (-(-size // stride) - 1) * stride + extent - size)
        for size, stride, extent in zip(sizes, strides, extents, strict=True)
    ]
    smaller, larger = [total // 2 for total in totals], [total - total // 2 for total in totals]
    return smaller + larger if auto_pad == "SAME_UPPER" else larger + smaller
