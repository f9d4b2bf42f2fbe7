"""Typical distributions of tensor values, and their range sketches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.ranges import RangeSketch

Floats = NDArray[np.float32]


def distributions(size: int = 50_000) -> dict[str, Floats]:
    """Float32 values by name of the distribution, from a fixed seed."""
    random = np.random.default_rng(7)
    normal = random.normal(size=size)
    kinds = {
        "normal": normal,
        "relu": np.maximum(normal, 0),
        "gelu": normal / (1 + np.exp(-1.702 * normal)),
        "laplace": random.laplace(size=size),
        "uniform": random.uniform(-1, 3, size),
        "skewed": random.gamma(1, 1, size) - 0.3,
        "negative": -np.abs(normal) - 1,
        "outlier": np.append(normal, 1000.0),
        "constant": np.full(size, 3.7),
        "one": np.array([-2.5]),
    }
    return {name: values.astype(np.float32) for name, values in kinds.items()}


def sketch_of(*batches: NDArray[Any]) -> RangeSketch:
    """A sketch that counts every value of the batches."""
    sketch = RangeSketch()
    for batch in batches:
        sketch.update(batch)
    return sketch
