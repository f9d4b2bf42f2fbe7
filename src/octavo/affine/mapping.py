"""Quantize and dequantize: the mapping itself, round half to even, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octavo.affine.params import Doubles, Floats, QuantParams, spread


def quantize(x: ArrayLike, params: QuantParams) -> NDArray[Any]:
    """q = clip(round(x / S) + Z, qmin, qmax), round half to even (ONNX QuantizeLinear).

    Args:
        x: real numbers of any shape; infinities go to the ends of the grid, NaN to the zero point.
        params: scale, zero point and grid; per tensor, channel or group.

    Returns:
        Integers of `params.grid.numpy_dtype`, of the shape of `x`.
    """
    q = unclipped(x, params)
    zero_point = spread(params.zero_point.astype(np.float64), params, q.shape)
    q = np.where(np.isnan(q), zero_point, q)
    return np.clip(q, params.grid.qmin, params.grid.qmax).astype(params.grid.numpy_dtype)


def unclipped(x: ArrayLike, params: QuantParams) -> Doubles:
    """round(x / S) + Z before the clip to the grid, in float64; NaN stays NaN."""
    values = np.asarray(x, np.float64)
    scale = spread(params.scale.astype(np.float64), params, values.shape)
    zero_point = spread(params.zero_point.astype(np.float64), params, values.shape)
    # A quotient beyond float64 is infinite, and the clip sends it to the end of the grid as it should.
    with np.errstate(over="ignore"):
        return np.asarray(np.rint(values / scale) + zero_point)


def dequantize(q: ArrayLike, params: QuantParams) -> Floats:
    """x = S (q - Z), computed in float64 and stored as float32 (ONNX DequantizeLinear).

    Args:
        q: integers of any shape.
        params: scale, zero point and grid; per tensor, channel or group.
    """
    values = np.asarray(q, np.float64)
    scale = spread(params.scale.astype(np.float64), params, values.shape)
    zero_point = spread(params.zero_point.astype(np.float64), params, values.shape)
    return np.asarray((values - zero_point) * scale).astype(np.float32)


def fake_quantize(x: ArrayLike, params: QuantParams) -> Floats:
    """x mapped to the grid and back: what the integer model sees in place of `x`, as float32."""
    return dequantize(quantize(x, params), params)


def real_range(params: QuantParams) -> tuple[Floats, Floats]:
    """The real numbers S (qmin - Z) and S (qmax - Z) that the ends of the grid stand for."""
    low = (params.grid.qmin - params.zero_point.astype(np.float64)) * params.scale
    high = (params.grid.qmax - params.zero_point.astype(np.float64)) * params.scale
    return low.astype(np.float32), high.astype(np.float32)
