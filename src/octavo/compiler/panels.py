"""Packing: GEMM weights in the panels that the kernels read; `native/kernels/packing.h` specifies them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMNS, DEPTH = 16, 4


class WeightPacker:
    """Packs weights, each once: equal weights share one packed array.

    A model is lowered at several lengths of its dynamic dimensions; one packer serves all of these lowerings.
    """

    def __init__(self) -> None:
        self._packed: dict[tuple[tuple[int, ...], tuple[int, ...], bytes], NDArray[np.int8]] = {}

    def pack(self, weights: NDArray[np.int8]) -> NDArray[np.int8]:
        """`pack(weights)`, from the cache if equal weights were packed before."""
        # A view of a transposed or contiguous array in its own memory order, so that hashing copies nothing.
        digest = hashlib.blake2b(np.ravel(weights, order="K").data, digest_size=32).digest()
        key = weights.shape, weights.strides, digest
        if key not in self._packed:
            self._packed[key] = pack(weights)
        return self._packed[key]


def pack(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Weights (..., K, N) as one vector: panel by panel, one matrix after the other, padded with zeros."""
    *groups, k, n = weights.shape
    padded_k, padded_n = -(-k // (2 * DEPTH)) * 2 * DEPTH, -(-n // COLUMNS) * COLUMNS
    padded = np.zeros((*groups, padded_k, padded_n), np.int8)
    padded[..., :k, :n] = weights
    parts = padded.reshape(-1, padded_k // DEPTH, DEPTH, padded_n // COLUMNS, COLUMNS)
    return np.ascontiguousarray(parts.transpose(0, 3, 1, 4, 2)).reshape(-1)


def pad_columns(values: NDArray[Any], groups: int) -> NDArray[Any]:
    """One value per column of each group's matrix as one vector, each group padded with zeros to whole panels."""
    rows = values.reshape(groups, -1)
    width = -(-rows.shape[1] // COLUMNS) * COLUMNS
    padded = np.zeros((groups, width), values.dtype)
    padded[:, : rows.shape[1]] = rows
    return padded.reshape(-1)
