"""Integer reference pools of any spatial rank, in NumPy.

ONNX's ceil_mode is written as larger end pads.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from octavo.affine.integer import Integers, Longs, centred, pad, to_int32, windows
from octavo.affine.mapping import dequantize, quantize
from octavo.affine.params import QuantParams
from octavo.affine.requantize import requantize


def average_pool(
    x: Integers,
    x_params: QuantParams,
    out_params: QuantParams,
    kernel: Sequence[int],
    *,
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    count_include_pad: bool = False,
) -> Integers:
    """requantize(sum of (x - Zx), M = Sx / (Sy n)) with n values per window, each operation in float32.

    The exact integer sum, as in ONNX Runtime's QLinearAveragePool, does not depend on the order of adding.

    Args:
        x: integers of shape (N, C, spatial...); per tensor.
        x_params: parameters of `x`.
        out_params: parameters of the result.
        kernel: the window's spatial shape.
        strides: one per spatial axis; None for ones.
        pads: all begins, then all ends; None for zeros. Padding represents 0.0.
        dilations: one per spatial axis; None for ones.
        count_include_pad: count padding in n.

    Returns:
        Integers of `out_params.grid`, shape (N, C, out spatial...).
    """
    values = centred(x, x_params)
    inside = np.ones((1, 1, *x.shape[2:]), np.int64)
    counted = pad(inside, pads, int(count_include_pad))
    spatial = tuple(range(x.ndim, 2 * x.ndim - 2))
    sums = windows(pad(values, pads, 0), kernel, strides, dilations).sum(axis=spatial)
    # A window of padding alone has the sum 0; counting one value keeps its mean 0.
    count = np.maximum(windows(counted, kernel, strides, dilations).sum(axis=spatial), 1)
    return _mean(sums, count, x_params, out_params)


def global_average_pool(x: Integers, x_params: QuantParams, out_params: QuantParams) -> Integers:
    """requantize(sum of (x - Zx), M = Sx / (Sy n)) over all n spatial positions.

    Args:
        x: integers of shape (N, C, spatial...); per tensor.
        x_params: parameters of `x`.
        out_params: parameters of the result.

    Returns:
        Integers of `out_params.grid`, shape (N, C, 1...).
    """
    spatial = tuple(range(2, x.ndim))
    sums = centred(x, x_params).sum(axis=spatial, keepdims=True)
    count = np.asarray(np.prod(x.shape[2:], dtype=np.int64))
    return _mean(sums, count, x_params, out_params)


def max_pool(
    x: Integers,
    x_params: QuantParams,
    out_params: QuantParams,
    kernel: Sequence[int],
    *,
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
) -> Integers:
    """quantize(dequantize(max of x)): the largest integer, unchanged where both parameters are equal.

    The mapping is increasing, so the largest integer represents the largest real number; padding holds
    the smallest integer and so never wins.

    Args:
        x: integers of shape (N, C, spatial...); per tensor.
        x_params: parameters of `x`.
        out_params: parameters of the result.
        kernel: the window's spatial shape.
        strides: one per spatial axis; None for ones.
        pads: all begins, then all ends; None for zeros.
        dilations: one per spatial axis; None for ones.

    Returns:
        Integers of `out_params.grid`, shape (N, C, out spatial...).
    """
    padded = pad(x.astype(np.int64), pads, x_params.grid.qmin)
    spatial = tuple(range(x.ndim, 2 * x.ndim - 2))
    largest = windows(padded, kernel, strides, dilations).max(axis=spatial)
    return quantize(dequantize(largest, x_params), out_params)


def _mean(sums: Longs, count: NDArray[np.int64], x_params: QuantParams, out_params: QuantParams) -> Integers:
    divisor = out_params.scale * count.astype(np.float32)
    multiplier = np.divide(x_params.scale, divisor, dtype=np.float32)
    return requantize(to_int32(sums), multiplier, int(out_params.zero_point), out_params.grid)
