"""The parameters that PyTorch's observers derive from a range, and its integers, in its float32 arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octavo.affine.grid import GRIDS, Grid
from octavo.affine.params import QuantParams, spread

_EPS = np.finfo(np.float32).eps


def pytorch_params(
    low: ArrayLike, high: ArrayLike, grid: Grid, *, symmetric: bool = False, axis: int | None = None
) -> QuantParams:
    """The result of `calculate_qparams` of `torch.ao.quantization` observers for the range [low, high].

    It differs from `params_from_range` in four ways: float32 throughout, scales not below 2**-23, a
    symmetric scale of max|x| / ((qmax - qmin) / 2), so 127.5 steps for int8, and the middle of an
    unsigned grid with custom bounds, rounded down.

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


def pytorch_params_from_array(
    array: ArrayLike,
    grid: Grid,
    *,
    symmetric: bool = False,
    axis: int | None = None,
    block_size: int | None = None,
) -> QuantParams:
    """`pytorch_params` of an array's minimum and maximum, per tensor or per channel.

    `block_size` is accepted for the sake of one signature and not used: PyTorch's observers have no blocks.
    """
    values = np.asarray(array, np.float32)
    axes = None if axis is None else tuple(i for i in range(values.ndim) if i != axis)
    return pytorch_params(values.min(axis=axes), values.max(axis=axes), grid, symmetric=symmetric, axis=axis)


def pytorch_quantize(x: ArrayLike, params: QuantParams) -> NDArray[Any]:
    """clip(round(x * (1 / S)) + Z, qmin, qmax) in float32, round half to even, as PyTorch quantizes.

    It differs from `quantize` if x / S is close to a half: for example at the largest weight of a symmetric
    channel, which its scale maps to 127.5.

    Args:
        x: finite float32 numbers of any shape.
        params: scale, zero point and grid; per tensor or channel.

    Returns:
        Integers of `params.grid.numpy_dtype`, of the shape of `x`.
    """
    values = np.asarray(x, np.float32)
    inverse = spread(np.float32(1) / params.scale, params, values.shape)
    zero_point = spread(params.zero_point.astype(np.float64), params, values.shape)
    with np.errstate(over="ignore"):
        rounded = np.rint(values * inverse).astype(np.float64) + zero_point
    return np.clip(rounded, params.grid.qmin, params.grid.qmax).astype(params.grid.numpy_dtype)


def _middle(grid: Grid) -> int:
    """128 for quint8, as PyTorch fixes it; the middle rounded down where quant_min and quant_max are given."""
    if not grid.signed and grid != GRIDS[grid.dtype]:
        return (grid.qmin + grid.qmax) // 2
    return grid.middle
