"""Helpers of the integer reference operators: centred operands, accumulator checks, windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.affine.params import QuantParams, spread
from octavo.affine.requantize import requantization_multiplier, requantize
from octavo.errors import OptionError

Integers = NDArray[Any]
Longs = NDArray[np.int64]


def centred(values: Integers, params: QuantParams) -> Longs:
    """values - Z as int64, of the shape of `values`: the integers that represent 0.0 become 0."""
    zero_point = spread(params.zero_point.astype(np.int64), params, values.shape)
    return np.asarray(values.astype(np.int64) - zero_point)


def to_int32(accumulator: Longs) -> NDArray[np.int32]:
    """The accumulator as int32, unchanged.

    Raises:
        OverflowError: a value does not fit; a kernel's 32-bit accumulator would overflow.
    """
    low, high = accumulator.min(initial=0), accumulator.max(initial=0)
    if low < -(2**31) or high >= 2**31:
        raise OverflowError(f"the accumulator reaches [{low}, {high}], which does not fit int32")
    return accumulator.astype(np.int32)


def requantized(
    accumulator: Longs,
    bias: NDArray[np.int32] | None,
    x_params: QuantParams,
    weight: tuple[Integers, QuantParams, int],
    out_params: QuantParams,
    channel_axis: int,
) -> Integers:
    """requantize(accumulator + bias) with M = Sx Sw / Sy, per tensor or per output channel.

    Args:
        accumulator: int64 sums of (x - Zx)(w - Zw).
        bias: int32 at Sx * Sw, broadcast against the accumulator; None for zeros.
        x_params: parameters of the activation, per tensor.
        weight: the weight, its parameters, and the axis of it that channels run along.
        out_params: parameters of the result, per tensor.
        channel_axis: the axis of the accumulator, from its end (negative), that has those channels.

    Raises:
        OptionError: the parameters are not per tensor, or per channel along the allowed axis.
        OverflowError: a sum does not fit int32.
    """
    values, params, axis = weight
    if x_params.axis is not None or out_params.axis is not None:
        raise OptionError("activations have one scale per tensor; give their parameters without an axis")
    if params.block_size is not None or params.axis not in (None, axis, axis - values.ndim):
        raise OptionError(f"weight scales must be per tensor or per channel along axis {axis}")
    multiplier = requantization_multiplier(x_params.scale, params.scale, out_params.scale)
    if params.axis is not None:
        repeats = accumulator.shape[channel_axis] // multiplier.size
        multiplier = np.tile(multiplier, repeats).reshape(-1, *[1] * (-channel_axis - 1))
    if bias is not None:
        accumulator = accumulator + bias.astype(np.int64)
    return requantize(to_int32(accumulator), multiplier, int(out_params.zero_point), out_params.grid)


def pad(x: Longs, pads: Sequence[int] | None, value: int) -> Longs:
    """x of shape (N, C, spatial...) padded with `value`; pads are all begins, then all ends, as in ONNX."""
    rank = x.ndim - 2
    ends = [0] * (2 * rank) if pads is None else list(pads)
    widths = [(0, 0), (0, 0), *zip(ends[:rank], ends[rank:], strict=True)]
    return np.pad(x, widths, constant_values=value)


def windows(x: Longs, kernel: Sequence[int], strides: Sequence[int] | None, dilations: Sequence[int] | None) -> Longs:
    """Every kernel position of x: a view of shape (N, C, out spatial..., kernel spatial...).

    Args:
        x: shape (N, C, spatial...), padded already.
        kernel: the kernel's spatial shape.
        strides, dilations: one number per spatial axis; None for ones.

    Raises:
        OptionError: the kernel does not fit x.
    """
    rank = x.ndim - 2
    steps, gaps = strides or [1] * rank, dilations or [1] * rank
    span = [(k - 1) * d + 1 for k, d in zip(kernel, gaps, strict=True)]
    if len(span) != rank or any(r > n for r, n in zip(span, x.shape[2:], strict=True)):
        raise OptionError(f"a kernel that spans {span} does not fit the padded input {x.shape[2:]}")
    view = np.lib.stride_tricks.sliding_window_view(x, span, axis=tuple(range(2, rank + 2)))
    strided = [slice(None, None, step) for step in (*steps, *gaps)]
    return np.asarray(view[(slice(None), slice(None), *strided)])
