"""im2col: what a linear layer multiplies by its weights, as rows of a matrix, sampled from calibration data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.affine import dequantize
from octavo.graph.attributes import int_list, text
from octavo.graph.linear import Linear
from octavo.graph.weights import QuantizedConstant

Floats = NDArray[np.float32]

ROWS = 8192
# Limit on the elements in the rows of all groups together: a depthwise Conv would have gigabytes of them.
_ELEMENTS, _LEAST_ROWS = 1 << 25, 512


def sample_rows(layer: Linear, batches: Sequence[NDArray[Any]], seed: int, most: int = ROWS) -> Floats:
    """Rows x of the layer's input with output = x @ layer.matrix.T in each group, drawn evenly from its output.

    Args:
        layer: the layer.
        batches: its input, batch by batch.
        seed: arrays of the same shapes and the same seed give the same places.
        most: the number of rows to draw, approximately.

    Returns:
        float32 of shape (groups, rows, terms), terms being inputs of a group times places of the kernel.
    """
    rng = np.random.default_rng(seed)
    most = min(most, row_limit(layer))
    share = max(1, -(-most // len(batches)))
    parts = [_rows(layer, array.astype(np.float32, copy=False), rng, share) for array in batches]
    return np.concatenate(parts, axis=1)


def row_limit(layer: Linear) -> int:
    """The most rows that are drawn for a layer, approximately."""
    groups, _, inputs, taps = layer.weights.shape
    return int(min(ROWS, max(_ELEMENTS // max(groups * inputs * taps, 1), _LEAST_ROWS)))


def integer_matrix(layer: Linear, constant: QuantizedConstant) -> NDArray[Any]:
    """The layer's dequantized integer weights, shape (groups, outputs, terms)."""
    weights = dequantize(constant.integers, constant.params)
    return layer.to_matrix(weights.T if constant.transposed else weights)


def _rows(layer: Linear, x: Floats, rng: np.random.Generator, most: int) -> Floats:
    if not layer.is_convolution:
        flat = x.reshape(-1, x.shape[-1])
        return (flat if len(flat) <= most else flat[rng.choice(len(flat), most)])[None]
    view = _transposed_windows(layer, x) if layer.is_transposed_convolution else _windows(layer, x)
    # (N, out..., C, kernel...)
    windows = np.moveaxis(view, 1, x.ndim - 1)
    places = windows.shape[: x.ndim - 1]
    count = int(np.prod(places))
    chosen = np.arange(count) if count <= most else rng.choice(count, most)
    rows = windows[tuple(np.unravel_index(chosen, places))]
    split = rows.reshape(len(rows), layer.groups, -1)
    return np.ascontiguousarray(split.transpose(1, 0, 2))


def _windows(layer: Linear, x: Floats) -> Floats:
    """A view (N, C, out..., kernel...) of a Conv's padded input."""
    strides, dilations, spans = _geometry(layer)
    pads = _pads(layer.node, x.shape[2:], spans, strides)
    return _view(np.pad(x, [(0, 0), (0, 0), *pads]), spans, strides, dilations)


def _transposed_windows(layer: Linear, x: Floats) -> Floats:
    """A view (N, C, out..., kernel...) of a ConvTranspose's input with zeros between its elements.

    An output of a ConvTranspose is a window of stride 1 over the input with stride - 1 zeros inserted between
    elements, multiplied by the flipped kernel; padding cuts the output, so it narrows the border of zeros.
    """
    strides, dilations, spans = _geometry(layer)
    rank = len(strides)
    spread = np.zeros(
        (*x.shape[:2], *((size - 1) * step + 1 for size, step in zip(x.shape[2:], strides, strict=True))), x.dtype
    )
    spread[(slice(None), slice(None), *(slice(None, None, step) for step in strides))] = x
    extra = int_list(layer.node, "output_padding", [0] * rank)
    cuts = _transposed_pads(layer.node, x.shape[2:], spans, strides, extra)
    borders = [
        (span - 1 - begin, span - 1 - end + added) for span, (begin, end), added in zip(spans, cuts, extra, strict=True)
    ]
    padded = np.pad(spread, [(0, 0), (0, 0), *((max(low, 0), max(high, 0)) for low, high in borders)])
    crops = [
        slice(max(-low, 0), size - max(-high, 0))
        for (low, high), size in zip(borders, padded.shape[2:], strict=True)
    ]  # fmt: skip
    view = _view(padded[(slice(None), slice(None), *crops)], spans, [1] * rank, dilations)
    return np.flip(view, axis=tuple(range(2 + rank, 2 + 2 * rank)))


def _geometry(layer: Linear) -> tuple[list[int], list[int], list[int]]:
    """Strides, dilations, and the span of the dilated kernel along each spatial axis."""
    kernel = layer.stored.shape[2:]
    strides, dilations = (int_list(layer.node, name, [1] * len(kernel)) for name in ("strides", "dilations"))
    return strides, dilations, [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]


def _view(padded: Floats, spans: list[int], strides: list[int], dilations: list[int]) -> Floats:
    """Windows of a padded input: (N, C, out..., kernel...)."""
    view = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=tuple(range(2, 2 + len(spans))))
    steps = tuple(slice(None, None, s) for s in strides)
    inner = tuple(slice(None, None, d) for d in dilations)
    return view[(slice(None), slice(None), *steps, *inner)]


def _pads(node: ir.Node, sizes: Sequence[int], spans: list[int], strides: list[int]) -> list[tuple[int, int]]:
    """Begin and end of a Conv's zero padding along each spatial axis."""
    mode = text(node, "auto_pad", "NOTSET")
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        return _explicit_pads(node, len(spans))
    missing = [
        max((-(-size // step) - 1) * step + span - size, 0)
        for size, span, step in zip(sizes, spans, strides, strict=True)
    ]
    return [_split(total, mode) for total in missing]


def _transposed_pads(
    node: ir.Node, sizes: Sequence[int], spans: list[int], strides: list[int], extra: list[int]
) -> list[tuple[int, int]]:
    """What a ConvTranspose cuts off at begin and end of each spatial axis."""
    mode = text(node, "auto_pad", "NOTSET")
    is_same = mode in ("SAME_UPPER", "SAME_LOWER")
    if not is_same and "output_shape" not in node.attributes:
        return _explicit_pads(node, len(spans))
    output_shape = int_list(node, "output_shape", [size * step for size, step in zip(sizes, strides, strict=True)])
    totals = [
        max((size - 1) * step + added + span - out, 0)
        for size, step, added, span, out in zip(sizes, strides, extra, spans, output_shape[-len(spans) :], strict=True)
    ]
    return [_split(total, mode if is_same else "SAME_LOWER") for total in totals]


def _explicit_pads(node: ir.Node, rank: int) -> list[tuple[int, int]]:
    pads = int_list(node, "pads", [0] * 2 * rank)
    return list(zip(pads[:rank], pads[rank:], strict=True))


def _split(total: int, mode: str) -> tuple[int, int]:
    """Padding of both ends; an odd element goes to the end for SAME_UPPER, to the begin for SAME_LOWER."""
    half = total // 2
    return (half, total - half) if mode == "SAME_UPPER" else (total - half, half)
