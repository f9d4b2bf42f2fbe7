"""Engines that are Python functions, for tests of code that processes outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.graph import TensorSpec

Array = NDArray[Any]


class Fake:
    """An engine with the output `y = function(x)`; records the number of rows of each run."""

    def __init__(self, function: Callable[[Array], Array], *shape: int | str, dtype: type = np.float32) -> None:
        self.function = function
        self.inputs = (TensorSpec("x", np.dtype(dtype), shape or ("N", 4)),)
        self.outputs = (TensorSpec("y", np.dtype(np.float32), (self.inputs[0].shape[0], None)),)
        self.rows: list[int] = []

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.rows.append(len(feeds["x"]))
        return {"y": self.function(feeds["x"])}


def noisy(x: Array, seed: int = 0, spread: float = 0.5) -> Array:
    """`x` with an error that depends only on the values of a row, not on its batch."""
    mix = np.random.default_rng(seed).normal(size=(x.shape[-1], x.shape[-1]))
    return (x + spread * np.sin(7.0 * x.astype(np.float64)[..., None] * mix).sum(-2)).astype(np.float32)
