"""Quantize and dequantize: the mapping itself, round half to even, in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octavo.affine.params import Doubles, Floats, QuantParams, spread

_SLAB = 1 << 15


def quantize(x: ArrayLike, params: QuantParams) -> NDArray[Any]:
    """q = clip(round(x / S) + Z, qmin, qmax), round half to even (ONNX QuantizeLinear).

    Args:
        x: real numbers of any shape; infinities go to the ends of the grid, NaN to the zero point.
        params: scale, zero point and grid; per tensor, channel or group.

    Returns:
        Integers of `params.grid.numpy_dtype`, of the shape of `x`.
    """
    values = np.asarray(x)
    scale, zero_point = _spread(params, values.shape)
    q = np.empty(values.shape, params.grid.numpy_dtype)
    for part in _slabs(values.shape):
        zeros = _part(zero_point, part)
        rounded = _round(values[part], _part(scale, part), zeros)
        rounded = np.where(np.isnan(rounded), zeros, rounded)
        q[part] = np.clip(rounded, params.grid.qmin, params.grid.qmax)
    return q


def unclipped(x: ArrayLike, params: QuantParams) -> Doubles:
    """round(x / S) + Z before the clip to the grid, in float64; NaN stays NaN."""
    values = np.asarray(x)
    return _round(values, *_spread(params, values.shape))


def dequantize(q: ArrayLike, params: QuantParams) -> Floats:
    """x = S (q - Z), computed in float64 and stored as float32 (ONNX DequantizeLinear).

    Args:
        q: integers of any shape.
        params: scale, zero point and grid; per tensor, channel or group.
    """
    values = np.asarray(q)
    scale, zero_point = _spread(params, values.shape)
    x = np.empty(values.shape, np.float32)
    for part in _slabs(values.shape):
        x[part] = (values[part].astype(np.float64) - _part(zero_point, part)) * _part(scale, part)
    return x


def fake_quantize(x: ArrayLike, params: QuantParams) -> Floats:
    """x mapped to the grid and back: what the integer model sees in place of `x`, as float32."""
    return dequantize(quantize(x, params), params)


def real_range(params: QuantParams) -> tuple[Floats, Floats]:
    """The real numbers S (qmin - Z) and S (qmax - Z) that the ends of the grid represent."""
    low = (params.grid.qmin - params.zero_point.astype(np.float64)) * params.scale
    high = (params.grid.qmax - params.zero_point.astype(np.float64)) * params.scale
    return low.astype(np.float32), high.astype(np.float32)


def _spread(params: QuantParams, shape: tuple[int, ...]) -> tuple[Doubles, Doubles]:
    scale = spread(params.scale.astype(np.float64), params, shape)
    return scale, spread(params.zero_point.astype(np.float64), params, shape)


def _round(values: NDArray[Any], scale: Doubles, zero_point: Doubles) -> Doubles:
    # A quotient that overflows float64 is infinite; clipping maps it to the end of the grid.
    with np.errstate(over="ignore"):
        return np.asarray(np.rint(values.astype(np.float64) / scale) + zero_point)


def _slabs(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Indices of consecutive parts along the first axis whose float64 copies fit in the cache."""
    if not shape:
        yield ()
        return
    rows = max(1, _SLAB * shape[0] // max(1, math.prod(shape)))
    for start in range(0, shape[0], rows):
        yield (slice(start, start + rows),)


def _part(spread_out: Doubles, part: tuple[slice, ...]) -> Doubles:
    """The part of a scale or zero point that applies to a slab: all of it unless it varies along the first axis."""
    return spread_out[part] if spread_out.ndim and spread_out.shape[0] > 1 else spread_out
