"""Biases as int32 at input scale times weight scale (Jacob et al. 2018, section 2.4)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octavo.affine.params import LARGEST_SCALE, SMALLEST_SCALE, Floats, QuantParams

# Half of the accumulator's range is reserved for the sum of products.
BIAS_LIMIT = 2**30


def bias_scale(input_scale: ArrayLike, weight_scale: ArrayLike) -> Floats:
    """Sx * Sw as float32, shape of `weight_scale`: the step of the accumulator and of the bias."""
    return np.asarray(np.multiply(input_scale, weight_scale, dtype=np.float32))


def quantize_bias(bias: ArrayLike, input_scale: ArrayLike, weight_scale: ArrayLike) -> NDArray[np.int32]:
    """round(bias / (Sx * Sw)) as int32, half to even; shape of `bias`.

    Raises:
        OverflowError: a channel's bias does not fit int32; the message names the channel's index.
    """
    steps = bias_scale(input_scale, weight_scale).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.rint(np.asarray(bias, np.float64) / steps)
    bad = ~(np.abs(q) <= 2**31 - 1)
    if bool(np.any(bad)):
        raise OverflowError(f"the bias of channel {int(np.flatnonzero(bad)[0])} does not fit int32")
    return q.astype(np.int32)


def widen_weight_scale(params: QuantParams, bias: ArrayLike, input_scale: ArrayLike) -> QuantParams:
    """Raise weight scales to the smallest for which |bias| / (Sx * Sw) <= 2**30 and Sx * Sw stays normal.

    Args:
        params: symmetric weight parameters, per tensor or per channel.
        bias: the largest |bias| per scale, in the shape of `params.scale`; zeros if there is none.
        input_scale: Sx, shape ().
    """
    step = float(np.asarray(input_scale, np.float64))
    # A little above the bound, so that rounding the product to float32 cannot fall below it.
    least = np.maximum(np.abs(np.asarray(bias, np.float64)) / BIAS_LIMIT, SMALLEST_SCALE) / step * (1 + 2.0**-20)
    exact = params.scale.astype(np.float64)
    widened = np.where(exact * step >= least * step, exact, least)
    # If even the largest float32 is too small a scale, quantize_bias raises and names the channel.
    return replace(params, scale=np.minimum(widened, LARGEST_SCALE).astype(np.float32))
