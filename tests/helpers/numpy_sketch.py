"""One update of a range sketch in NumPy, the reference of the native implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def ends(values: NDArray[np.float32]) -> tuple[float, float, int, int]:
    """Smallest and largest finite value (infinity and -infinity if there is none), counts of NaN and infinities."""
    finite = values[np.isfinite(values)]
    nans = int(np.count_nonzero(np.isnan(values)))
    # Adding 0.0 turns -0.0 into 0.0, so that the bytes do not depend on which of the two comes first.
    low, high = float(finite.min(initial=np.inf)) + 0.0, float(finite.max(initial=-np.inf)) + 0.0
    return low, high, nans, values.size - finite.size - nans


def bins(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """The number of finite values per upper 16 bits of the float32 (65,536 bins)."""
    upper = values[np.isfinite(values)].view(np.uint32) >> np.uint32(16)
    return np.bincount(upper.astype(np.intp), minlength=1 << 16).astype(np.int64)


def same(actual: tuple[Any, ...], expected: tuple[Any, ...]) -> bool:
    """Whether they are equal, including the signs of zeros."""
    return actual == expected and bool(np.array_equal(np.signbit(actual[:2]), np.signbit(expected[:2])))
