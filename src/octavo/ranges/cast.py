"""Conversion of arrays for observers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_float32(array: NDArray[Any]) -> NDArray[np.float32]:
    """The values as float32, flat and contiguous; values beyond the float32 range become infinite."""
    if array.dtype == np.float32:
        return np.ascontiguousarray(array).reshape(-1)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, np.float32).reshape(-1)
