"""Engines that are Python functions, for tests of what is done with outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.graph import TensorSpec

Array = NDArray[Any]


class Fake:
    """Gives `function(x)` as its output `y`, and remembers how many rows each run had."""

    def __init__(self, function: Callable[[Array], Array], *shape: int | str, dtype: type = np.float32) -> None:
        self.function = function
        self.inputs = (TensorSpec("x", np.dtype(dtype), shape or ("N", 4)),)
        self.outputs = (TensorSpec("y", np.dtype(np.float32), ("N", None)),)
        self.rows: list[int] = []

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.rows.append(len(feeds["x"]))
        return {"y": self.function(feeds["x"])}


def noisy(x: Array, seed: int = 0, spread: float = 0.5) -> Array:
    """`x` with an error that depends on the values of a row alone, not on the batch it comes in."""
    mix = np.random.default_rng(seed).normal(size=(x.shape[-1], x.shape[-1]))
    return (x + spread * np.sin(7.0 * x.astype(np.float64)[..., None] * mix).sum(-2)).astype(np.float32)
