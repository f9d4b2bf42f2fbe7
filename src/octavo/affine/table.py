"""Unary functions on 8 bits as 256-entry tables: exact by construction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.affine.grid import Grid
from octavo.affine.mapping import quantize
from octavo.affine.params import Doubles, QuantParams
from octavo.errors import OptionError


def table(function: Callable[[Doubles], Doubles], source: QuantParams, result: QuantParams) -> NDArray[Any]:
    """The result's integer for every integer of an 8-bit (or narrower) grid, in the order of the grid.

    Args:
        function: a vectorized function of real numbers (float64 in and out).
        source: parameters of the argument, per tensor.
        result: parameters of the value, per tensor.

    Raises:
        OptionError: the source's grid is wider than 8 bits.
    """
    if source.grid.bits > 8:
        raise OptionError(f"a table over {source.grid} would have {source.grid.levels} entries; use 8 bits or fewer")
    integers = np.arange(source.grid.qmin, source.grid.qmax + 1, dtype=np.float64)
    real = (integers - float(source.zero_point)) * float(source.scale)
    return quantize(function(real), result)


def apply_table(q: NDArray[Any], entries: NDArray[Any], grid: Grid) -> NDArray[Any]:
    """Look up every integer of `q`, which lies on `grid`, in a table made by `table`."""
    return entries[q.astype(np.int64) - grid.qmin]
