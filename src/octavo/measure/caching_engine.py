"""An engine that remembers: the float model is run once over data that many quantized models are held against."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.engines import Engine

_LARGEST = 1 << 29


class CachingEngine:
    """Another engine's outputs, kept by the digest of the inputs while they fit in `largest` bytes."""

    def __init__(self, engine: Engine, largest: int = _LARGEST) -> None:
        self.inputs, self.outputs = engine.inputs, engine.outputs
        self._engine, self._room = engine, largest
        self._known: dict[bytes, dict[str, NDArray[Any]]] = {}

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs for these inputs, from memory where they were seen before."""
        key = _digest(feeds)
        if key in self._known:
            return dict(self._known[key])
        found = self._engine.run(feeds)
        size = sum(array.nbytes for array in found.values())
        if size <= self._room:
            self._known[key] = found
            self._room -= size
        return found


def _digest(feeds: Mapping[str, NDArray[Any]]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(feeds):
        array = np.ascontiguousarray(feeds[name])
        digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.digest()
