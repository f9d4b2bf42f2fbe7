"""Weights of a product in the panels that the kernels read; `native/kernels/panels.h` describes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMNS, DEPTH = 16, 4


def pack(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """The panels of weights of shape (..., K, N), one matrix after the other, as one vector."""
    *groups, k, n = weights.shape
    tall, wide = -(-k // (2 * DEPTH)) * 2 * DEPTH, -(-n // COLUMNS) * COLUMNS
    padded = np.zeros((*groups, tall, wide), np.int8)
    padded[..., :k, :n] = weights
    parts = padded.reshape(-1, tall // DEPTH, DEPTH, wide // COLUMNS, COLUMNS)
    return np.ascontiguousarray(parts.transpose(0, 3, 1, 4, 2)).reshape(-1)


def columns(values: NDArray[Any], groups: int) -> NDArray[Any]:
    """A value for each column of each group's matrix, padded with zeros to whole panels, as one vector."""
    each = values.reshape(groups, -1)
    wide = -(-each.shape[1] // COLUMNS) * COLUMNS
    padded = np.zeros((groups, wide), values.dtype)
    padded[:, : each.shape[1]] = each
    return padded.reshape(-1)
