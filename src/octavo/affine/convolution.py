"""Integer reference convolutions of any spatial rank, in NumPy.

Padding represents 0.0, so it holds the input's zero point and adds nothing to a sum of (x - Zx)(w - Zw).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from octavo.affine.integer import Integers, Longs, centred, pad, requantized, to_int32, windows
from octavo.affine.params import QuantParams
from octavo.errors import OptionError


def conv_integer(
    x: Integers,
    x_params: QuantParams,
    w: Integers,
    w_params: QuantParams,
    *,
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    group: int = 1,
) -> NDArray[np.int32]:
    """Sum of (x - Zx)(w - Zw) over each window as int32 (ONNX ConvInteger); arguments as for `conv`.

    Raises:
        OptionError: the shapes do not fit each other.
        OverflowError: a sum does not fit int32.
    """
    return to_int32(_convolve(centred(x, x_params), centred(w, w_params), strides, pads, dilations, group))


def conv(
    x: Integers,
    x_params: QuantParams,
    w: Integers,
    w_params: QuantParams,
    out_params: QuantParams,
    bias: NDArray[np.int32] | None = None,
    *,
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    group: int = 1,
) -> Integers:
    """requantize(sum of (x - Zx)(w - Zw) + bias, M = Sx Sw / Sy) (ONNX QLinearConv).

    Args:
        x: integers of shape (N, C, spatial...); per tensor.
        x_params: parameters of `x`.
        w: integers of shape (M, C / group, kernel...).
        w_params: parameters of `w`, per tensor or per channel along axis 0.
        out_params: parameters of the result.
        bias: int32 of shape (M,) at Sx * Sw.
        strides: one per spatial axis; None for ones.
        pads: all begins, then all ends; None for zeros.
        dilations: one per spatial axis; None for ones.
        group: groups that the channels are divided into.

    Returns:
        Integers of `out_params.grid`, shape (N, M, out spatial...).

    Raises:
        OptionError: the shapes do not fit each other.
        OverflowError: a sum does not fit int32.
    """
    accumulator = _convolve(centred(x, x_params), centred(w, w_params), strides, pads, dilations, group)
    return _finished(accumulator, bias, x_params, (w, w_params, 0), out_params)


def conv_transpose(
    x: Integers,
    x_params: QuantParams,
    w: Integers,
    w_params: QuantParams,
    out_params: QuantParams,
    bias: NDArray[np.int32] | None = None,
    *,
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    output_padding: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    group: int = 1,
) -> Integers:
    """requantize(sum of (x - Zx)(w - Zw) + bias, M = Sx Sw / Sy) of a transposed convolution.

    Output length along an axis, as in ONNX ConvTranspose:
    stride (in - 1) + output_padding + dilation (kernel - 1) + 1 - begin - end.

    Args:
        x: integers of shape (N, C, spatial...); per tensor.
        x_params: parameters of `x`.
        w: integers of shape (C, M / group, kernel...).
        w_params: parameters of `w`, per tensor or per channel along axis 1; the groups share the scales.
        out_params: parameters of the result.
        bias: int32 of shape (M,) at Sx * Sw.
        strides: one per spatial axis; None for ones.
        pads: all begins, then all ends, cut off the result; None for zeros.
        dilations: one per spatial axis; None for ones.
        group: groups that the channels are divided into.
        output_padding: added to the end of each axis; None for zeros.

    Returns:
        Integers of `out_params.grid`, shape (N, M, out spatial...).

    Raises:
        OptionError: the shapes do not fit each other.
        OverflowError: a sum does not fit int32.
    """
    rank = x.ndim - 2
    extra = list(output_padding or [0] * rank)
    full = _scatter(centred(x, x_params), centred(w, w_params), strides, extra, dilations, group)
    cut = list(pads or [0] * (2 * rank))
    cropped = [slice(None)] * 2 + [slice(cut[i], full.shape[i + 2] - cut[i + rank]) for i in range(rank)]
    return _finished(full[tuple(cropped)], bias, x_params, (w, w_params, 1), out_params)


def _finished(
    accumulator: Longs,
    bias: NDArray[np.int32] | None,
    x_params: QuantParams,
    weight: tuple[Integers, QuantParams, int],
    out_params: QuantParams,
) -> Integers:
    """Requantized, with the bias along the channel axis."""
    rank = accumulator.ndim - 2
    spread_bias = None if bias is None else bias.reshape(-1, *[1] * rank)
    return requantized(accumulator, spread_bias, x_params, weight, out_params, -1 - rank)


def _convolve(
    x: Longs,
    w: Longs,
    strides: Sequence[int] | None,
    pads: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
) -> Longs:
    if x.shape[1] != w.shape[1] * group or w.shape[0] % group:
        raise OptionError(f"weights of shape {w.shape} in {group} groups do not fit an input {x.shape}")
    rank = x.ndim - 2
    # Both operands are centred, so the zero point to pad with is 0.
    patches = windows(pad(x, pads, 0), w.shape[2:], strides, dilations)
    summed = ((1, *range(2 + rank, 2 + 2 * rank)), tuple(range(1, 2 + rank)))
    parts = [
        np.moveaxis(np.tensordot(xs, ws, summed), -1, 1)
        for xs, ws in zip(np.split(patches, group, axis=1), np.split(w, group, axis=0), strict=True)
    ]
    return np.concatenate(parts, axis=1)


def _scatter(
    x: Longs,
    w: Longs,
    strides: Sequence[int] | None,
    output_padding: Sequence[int],
    dilations: Sequence[int] | None,
    group: int,
) -> Longs:
    """Each kernel element times the input, added where it lands; the result before pads are cut off."""
    if x.shape[1] != w.shape[0] or w.shape[0] % group:
        raise OptionError(f"weights of shape {w.shape} in {group} groups do not fit an input {x.shape}")
    rank, kernel = x.ndim - 2, w.shape[2:]
    steps, gaps = strides or [1] * rank, dilations or [1] * rank
    span = [step * (n - 1) + 1 for step, n in zip(steps, x.shape[2:], strict=True)]
    shape = [s + d * (k - 1) + e for s, d, k, e in zip(span, gaps, kernel, output_padding, strict=True)]
    result = np.zeros((x.shape[0], group, w.shape[1], *shape), np.int64)
    xs = x.reshape(x.shape[0], group, -1, *x.shape[2:])
    ws = w.reshape(group, -1, *w.shape[1:])
    for position in np.ndindex(*kernel):
        starts = [i * d for i, d in zip(position, gaps, strict=True)]
        landing = [slice(None)] * 3 + [slice(a, a + s, step) for a, s, step in zip(starts, span, steps, strict=True)]
        result[tuple(landing)] += np.einsum("ngc...,gcm->ngm...", xs, ws[(..., *position)])
    return result.reshape(x.shape[0], -1, *shape)
