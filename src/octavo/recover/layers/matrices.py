"""Layers with weights as products of matrices: y = x W^T over rows, group by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.graph.attributes import attribute
from octavo.graph.constants import constant
from octavo.graph.linear import bias_input
from octavo.graph.plan import LayerPlan

Floats = NDArray[np.float32]

ROWS = 8192
# Of the rows of all groups together: a depthwise Conv would have gigabytes of them.
_NUMBERS, _LEAST_ROWS = 1 << 25, 512


@dataclass(frozen=True)
class Product:
    """A layer whose first input is an activation and whose second a constant.

    `weights` are of shape (groups, channels, terms): what one group of output channels sums over.
    """

    node: ir.Node
    groups: int
    weights: Floats

    def arranged(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array in the layout of the layer's weights, as (groups, channels, terms)."""
        if self.node.op_type == "Conv":
            return array.reshape(self.groups, array.shape[0] // self.groups, -1)
        transposed = self.node.op_type == "Gemm" and attribute(self.node, "transB", 0)
        return (array if transposed else array.T)[None]

    def restored(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """(groups, channels, terms) in the layout of the layer's weights; the inverse of `arranged`."""
        stored = constant(self.node.inputs[1])
        assert stored is not None
        if self.node.op_type == "Conv":
            return np.ascontiguousarray(matrix.reshape(stored.shape))
        transposed = self.node.op_type == "Gemm" and attribute(self.node, "transB", 0)
        return np.ascontiguousarray(matrix[0] if transposed else matrix[0].T)

    @property
    def bias(self) -> Floats | None:
        """The constant bias, one number a channel; None where there is none or it is computed."""
        index = bias_input(self.node)
        found = None if index is None else constant(self.node.inputs[index])
        channels = self.groups * self.weights.shape[1]
        if found is None or found.size not in (1, channels):
            return None
        return np.broadcast_to(found.reshape(-1), (channels,)).astype(np.float32)

    def rows(self, batches: Sequence[NDArray[Any]], seed: int, most: int = ROWS) -> Floats:
        """What the layer multiplies its weights by, (groups, rows, terms): at most about `most` rows, drawn evenly.

        The same seed draws the same places of arrays of the same shapes.
        """
        rng = np.random.default_rng(seed)
        width = max(self.groups * self.weights.shape[2], 1)
        most = min(most, max(_NUMBERS // width, _LEAST_ROWS))
        share = max(1, -(-most // len(batches)))
        parts = [self._rows(array.astype(np.float32, copy=False), rng, share) for array in batches]
        return np.concatenate(parts, axis=1)

    def _rows(self, x: Floats, rng: np.random.Generator, most: int) -> Floats:
        if self.node.op_type != "Conv":
            flat = x.reshape(-1, x.shape[-1])
            return _some(flat, rng, most)[None]
        # (N, out..., C, kernel...)
        windows = np.moveaxis(_windows(self.node, x), 1, x.ndim - 1)
        places = windows.shape[: x.ndim - 1]
        count = int(np.prod(places))
        chosen = np.arange(count) if count <= most else rng.choice(count, most)
        taken = windows[tuple(np.unravel_index(chosen, places))]
        split = taken.reshape(len(taken), self.groups, -1)
        return np.ascontiguousarray(split.transpose(1, 0, 2))


def product(node: ir.Node, layer: LayerPlan) -> Product | None:
    """The layer as a product of matrices, or None for what is none: two activations, or a transposed Conv."""
    weights = {weight.index for weight in layer.weights}
    if layer.op not in ("Conv", "Gemm", "MatMul") or weights != {1}:
        return None
    array = constant(node.inputs[1])
    if array is None or (layer.op != "Conv" and array.ndim != 2):
        return None
    groups = int(attribute(node, "group", 1)) if layer.op == "Conv" else 1
    draft = Product(node, groups, np.zeros((0, 0, 0), np.float32))
    return Product(node, groups, np.ascontiguousarray(draft.arranged(array), np.float32))


def _some(rows: Floats, rng: np.random.Generator, most: int) -> Floats:
    return rows if len(rows) <= most else rows[rng.choice(len(rows), most)]


def _windows(node: ir.Node, x: Floats) -> Floats:
    """A view (N, C, out..., kernel...) of a padded input."""
    rank = x.ndim - 2
    weight = constant(node.inputs[1])
    assert weight is not None
    kernel = weight.shape[2:]
    strides, dilations = (_ints(node, name, [1] * rank) for name in ("strides", "dilations"))
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    padded = np.pad(x, [(0, 0), (0, 0), *_pads(node, x.shape[2:], spans, strides)])
    view = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=tuple(range(2, 2 + rank)))
    steps = tuple(slice(None, None, s) for s in strides)
    inner = tuple(slice(None, None, d) for d in dilations)
    return view[(slice(None), slice(None), *steps, *inner)]


def _pads(node: ir.Node, sizes: Sequence[int], spans: list[int], strides: list[int]) -> list[tuple[int, int]]:
    auto = node.attributes.get("auto_pad")
    mode = "NOTSET" if auto is None else auto.as_string()
    rank = len(spans)
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        pads = _ints(node, "pads", [0] * 2 * rank)
        return list(zip(pads[:rank], pads[rank:], strict=True))
    missing = [
        max((-(-size // step) - 1) * step + span - size, 0)
        for size, span, step in zip(sizes, spans, strides, strict=True)
    ]
    halves = [(each // 2, each - each // 2) for each in missing]
    return halves if mode == "SAME_UPPER" else [(high, low) for low, high in halves]


def _ints(node: ir.Node, name: str, default: list[int]) -> list[int]:
    found = node.attributes.get(name)
    return default if found is None else list(found.as_ints())
