"""Whether embeddings keep their nearest neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# At most so many embeddings, and so many bytes of them, are kept.
_MOST, _MOST_BYTES = 2048, 1 << 26


class Neighbours:
    """Keeps the first embeddings of both models, and compares their nearest neighbours by cosine similarity."""

    def __init__(self) -> None:
        self._kept: list[tuple[Array, Array]] = []
        self._free, self._free_bytes = _MOST, _MOST_BYTES

    def add(self, floats: Array, rounded: Array) -> None:
        """Keep a batch of embeddings, one row each, while there is room."""
        count = min(len(floats), self._free, self._free_bytes // max(floats[:1].nbytes, 1))
        if count <= 0:
            self._free = 0
            return
        self._kept.append((_units(floats[:count]), _units(rounded[:count])))
        self._free -= count
        self._free_bytes -= floats[:count].nbytes

    def share(self) -> float | None:
        """The share, from 0 to 1, of embeddings whose nearest is the same in both models; None of fewer than
        three, or of different lengths.
        """
        widths = {floats.shape[1] for floats, _ in self._kept}
        if sum(len(floats) for floats, _ in self._kept) < 3 or len(widths) > 1:
            return None
        first, second = (_nearest(np.concatenate(arrays)) for arrays in zip(*self._kept, strict=True))
        return float((first == second).mean())


def _units(array: Array) -> Array:
    rows = array.reshape(len(array), -1).astype(np.float32)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny))


def _nearest(rows: Array) -> Array:
    alike = rows @ rows.T
    np.fill_diagonal(alike, -np.inf)
    return np.asarray(alike.argmax(1))
