"""From 32-bit accumulators to the output's grid: one float32 multiply and one rounding.

The arithmetic of ONNX QLinearConv and QLinearMatMul and of fbgemm: int32 to float32, one multiply (no
fused multiply-add) and round half to even are IEEE 754 on every machine, so all kernels agree bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octavo.affine.grid import Grid
from octavo.affine.params import Floats


def requantization_multiplier(input_scale: ArrayLike, weight_scale: ArrayLike, output_scale: ArrayLike) -> Floats:
    """M = Sx * Sw / Sy, each operation in float32; shape of the weight scale."""
    product = np.multiply(input_scale, weight_scale, dtype=np.float32)
    return np.asarray(np.divide(product, output_scale, dtype=np.float32))


def requantize(accumulator: NDArray[np.int32], multiplier: ArrayLike, zero_point: int, grid: Grid) -> NDArray[Any]:
    """clip(round(float32(acc) * M) + Zy, qmin, qmax), round half to even.

    Args:
        accumulator: int32 of any shape.
        multiplier: float32, broadcast against the accumulator.
        zero_point: the output's zero point.
        grid: the output's grid.
    """
    # A product that overflows float32 is infinite; clipping maps it to the end of the grid.
    with np.errstate(over="ignore"):
        scaled = accumulator.astype(np.float32) * np.asarray(multiplier, np.float32)
    q = np.rint(scaled).astype(np.float64) + zero_point
    return np.clip(q, grid.qmin, grid.qmax).astype(grid.numpy_dtype)
