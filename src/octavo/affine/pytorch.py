"""The parameters that PyTorch's observers derive from a range, in their float32 arithmetic."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from octavo.affine.grid import GRIDS, Grid
from octavo.affine.params import QuantParams

_EPS = np.finfo(np.float32).eps


def pytorch_params(
    low: ArrayLike, high: ArrayLike, grid: Grid, *, symmetric: bool = False, axis: int | None = None
) -> QuantParams:
    """What `torch.ao.quantization` observers' `calculate_qparams` gives for the range [low, high].

    It differs from `params_from_range` in four ways: float32 throughout, scales not below 2**-23, a
    symmetric scale of max|x| / ((qmax - qmin) / 2), so 127.5 steps for int8, and the middle of an
    unsigned grid with bounds of its own rounded down.

    Args:
        low: lower ends, float32, shape () or (C,).
        high: upper ends, the same shape.
        grid: the integers to map to.
        symmetric: fix the zero point at the grid's middle.
        axis: the axis that channels run along.
    """
    negative = np.minimum(np.asarray(low, np.float32), np.float32(0))
    positive = np.maximum(np.asarray(high, np.float32), np.float32(0))
    steps = np.float32(grid.qmax - grid.qmin)
    if symmetric:
        scale = np.maximum(np.maximum(-negative, positive) / (steps / np.float32(2)), _EPS)
        zero_point = np.full(scale.shape, _middle(grid), np.int32)
    else:
        scale = np.maximum((positive - negative) / steps, _EPS)
        zero_point = np.clip(grid.qmin - np.rint(negative / scale), grid.qmin, grid.qmax).astype(np.int32)
    return QuantParams(grid, scale.astype(np.float32), zero_point, axis)


def _middle(grid: Grid) -> int:
    """128 for quint8, as PyTorch fixes it; the middle rounded down where quant_min and quant_max are given."""
    if not grid.signed and grid != GRIDS[grid.dtype]:
        return (grid.qmin + grid.qmax) // 2
    return grid.middle
