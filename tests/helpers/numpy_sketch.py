"""What one update of a range sketch does, in NumPy: the reference that the native one equals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def ends(values: NDArray[np.float32]) -> tuple[float, float, int, int]:
    """Smallest and largest finite value (infinity and -infinity without one), counts of NaN and of infinities."""
    finite = values[np.isfinite(values)]
    nans = int(np.count_nonzero(np.isnan(values)))
    # Adding 0.0 turns -0.0 into 0.0: which of the two comes first must not show in the bytes.
    low, high = float(finite.min(initial=np.inf)) + 0.0, float(finite.max(initial=-np.inf)) + 0.0
    return low, high, nans, values.size - finite.size - nans


def bins(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many finite values have each of the 65,536 upper halves that a float32 can have."""
    upper = values[np.isfinite(values)].view(np.uint32) >> np.uint32(16)
    return np.bincount(upper.astype(np.intp), minlength=1 << 16).astype(np.int64)


def same(found: tuple[Any, ...], expected: tuple[Any, ...]) -> bool:
    """Equal, the signs of zeros included."""
    return found == expected and bool(np.array_equal(np.signbit(found[:2]), np.signbit(expected[:2])))
