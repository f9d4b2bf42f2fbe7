"""Upper bound of an integer layer's accumulator, from its weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octavo.affine.params import QuantParams, spread


def accumulator_bound(
    weight: NDArray[np.generic],
    weight_params: QuantParams,
    input_params: QuantParams,
    bias: NDArray[np.int32] | None = None,
    *,
    contraction: tuple[int, ...],
) -> int:
    """The largest |accumulator| over all inputs on the grid: max of sum|w - Zw| * max|x - Zx| + |bias|.

    Args:
        weight: integers of any shape.
        weight_params: their parameters.
        input_params: parameters of the activation, per tensor.
        bias: int32 of shape (channels,); its length is a multiple of that of the last axis not in `contraction`.
        contraction: the axes of `weight` that are summed over.
    """
    zero_point = spread(weight_params.zero_point.astype(np.int64), weight_params, weight.shape)
    distance = np.abs(weight.astype(np.int64) - zero_point.astype(np.int64))
    sums = distance.sum(axis=contraction)
    bounds = sums * _largest_input(input_params)
    if bias is not None:
        worst = np.abs(bias.astype(np.int64)).reshape(-1, sums.shape[-1] if sums.ndim else 1).max(axis=0)
        bounds = bounds + (worst if sums.ndim else worst[0])
    return int(bounds.max(initial=0))


def _largest_input(params: QuantParams) -> int:
    zero_point = int(params.zero_point)
    return max(params.grid.qmax - zero_point, zero_point - params.grid.qmin)
