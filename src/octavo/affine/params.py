"""Scale and zero point: the affine mapping between real numbers and a grid.

Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", equation 1; the ranges follow ONNX QuantizeLinear's conventions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octavo.affine.grid import Grid
from octavo.errors import OptionError

_T = TypeVar("_T", bound=np.generic)

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
LARGEST_SCALE = float(np.finfo(np.float32).max)
# Half of the float32 maximum: the ends of the grid lie at most one S outside the range and must stay finite.
LARGEST_END = 2.0**127


@dataclass(frozen=True, eq=False)
class QuantParams:
    """The affine mapping of one tensor to a grid.

    Attributes:
        grid: the integers and their bounds.
        scale: float32, positive, finite and normal. Shape () per tensor, (C,) per channel along
            `axis`, or the tensor's shape with `axis` divided by `block_size` (rounded up) per group.
        zero_point: int32 on the grid, of the same shape; the integer that 0.0 maps to.
        axis: the axis that channels or groups run along; None per tensor.
        block_size: values that share a scale along `axis`; None per tensor and per channel.

    Raises:
        OptionError: shapes disagree, a scale is not positive and normal, or a zero point is off the grid.
    """

    grid: Grid
    scale: Floats
    zero_point: NDArray[np.int32]
    axis: int | None = None
    block_size: int | None = None

    def __post_init__(self) -> None:
        scale, zero_point = np.asarray(self.scale, np.float32), np.asarray(self.zero_point, np.int32)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "zero_point", zero_point)
        if scale.shape != zero_point.shape:
            raise OptionError(f"scale has shape {scale.shape} but zero_point {zero_point.shape}; make them equal")
        if (scale.ndim > 0) != (self.axis is not None):
            raise OptionError(
                f"scale of shape {scale.shape} with axis {self.axis}; give an axis unless it is per tensor"
            )
        if not bool(np.all(np.isfinite(scale) & (scale >= SMALLEST_SCALE))):
            raise OptionError("a scale is not a positive, finite, normal float32; derive it with params_from_range")
        if bool(np.any((zero_point < self.grid.qmin) | (zero_point > self.grid.qmax))):
            raise OptionError(f"a zero_point lies outside the grid {self.grid}; derive it with params_from_range")


def params_from_range(
    low: ArrayLike,
    high: ArrayLike,
    grid: Grid,
    *,
    symmetric: bool = False,
    axis: int | None = None,
    block_size: int | None = None,
) -> QuantParams:
    """Scale and zero point that cover [low, high], widened to hold 0.

    Affine: S = (high - low) / (qmax - qmin), Z = clip(round(qmin - low / S)). Symmetric: Z is the
    grid's middle and S = max(|low|, |high|) / (qmax - Z). S is computed in float64 and rounded *up* to
    float32, so that |x - S (q - Z)| <= S / 2 holds for every x of the range with the stored S. An
    empty range (low > high) counts as [0, 0]; [0, 0] gives S = 1; S is at least the smallest normal
    float32; ends beyond 2**127 count as 2**127, so that S (q - Z) stays finite.

    Args:
        low: lower ends, shape () or one per channel or group.
        high: upper ends, the same shape.
        grid: the integers to map to.
        symmetric: fix Z at the grid's middle.
        axis: the axis the channels or groups run along; None per tensor.
        block_size: values per group along `axis`.

    Raises:
        OptionError: an end is NaN or infinite, or the grid cannot be symmetric.
    """
    alpha, beta = hold_zero(low, high)
    scale = _stored(exact_scale(alpha, beta, grid, symmetric=symmetric))
    unrounded = exact_zero_point(alpha, scale, grid, symmetric=symmetric)
    zero_point = np.clip(np.rint(unrounded), grid.qmin, grid.qmax).astype(np.int32)
    return QuantParams(grid, scale, zero_point, axis, block_size)


def hold_zero(low: ArrayLike, high: ArrayLike) -> tuple[Doubles, Doubles]:
    """The ends of a range, widened to hold 0 and clamped to +-2**127; [0, 0] if it is empty.

    Raises:
        OptionError: an end is NaN or infinite.
    """
    alpha, beta = np.asarray(low, np.float64), np.asarray(high, np.float64)
    if not bool(np.all(np.isfinite(alpha) & np.isfinite(beta))):
        raise OptionError(f"the range [{alpha}, {beta}] is not finite; remove NaN and infinity from its data")
    empty = alpha > beta
    alpha = np.where(empty, 0.0, np.clip(alpha, -LARGEST_END, 0.0))
    beta = np.where(empty, 0.0, np.clip(beta, 0.0, LARGEST_END))
    return alpha, beta


def exact_scale(alpha: Doubles, beta: Doubles, grid: Grid, *, symmetric: bool = False) -> Doubles:
    """The scale of a range that holds 0, in float64, before it is stored; 0 if the range has no width.

    Raises:
        OptionError: symmetric, and the grid has no integer on one side of its middle.
    """
    if not symmetric:
        return np.asarray((beta - alpha) / (grid.qmax - grid.qmin))
    steps = min(grid.qmax - grid.middle, grid.middle - grid.qmin)
    if steps < 1:
        raise OptionError(f"the grid {grid} has one side of zero only; use it without symmetric")
    return np.asarray(np.maximum(-alpha, beta) / steps)


def exact_zero_point(alpha: Doubles, scale: Floats, grid: Grid, *, symmetric: bool = False) -> Doubles:
    """The real number qmin - alpha / S whose rounding is the zero point; the grid's middle if symmetric."""
    if symmetric:
        return np.full(alpha.shape, float(grid.middle))
    return np.asarray(grid.qmin - alpha / scale)


def params_from_array(
    array: ArrayLike,
    grid: Grid,
    *,
    symmetric: bool = False,
    axis: int | None = None,
    block_size: int | None = None,
) -> QuantParams:
    """Scale and zero point from the minimum and maximum of an array, per tensor, channel or group.

    Args:
        array: real numbers of any shape; an empty array counts as the range [0, 0].
        grid: the integer grid.
        symmetric: fix Z at the grid's middle.
        axis: one scale for each index along this axis; one for all by default.
        block_size: values per group along `axis`.

    Raises:
        OptionError: the array holds NaN or infinity, or `axis` or `block_size` do not fit it.
    """
    values = np.asarray(array)
    if axis is None:
        if values.size == 0:
            return params_from_range(0.0, 0.0, grid, symmetric=symmetric)
        return params_from_range(values.min(), values.max(), grid, symmetric=symmetric)
    axis = _positive_axis(axis, values.ndim)
    if block_size is not None:
        low, high = _block_ends(values, axis, block_size)
    else:
        others = tuple(i for i in range(values.ndim) if i != axis)
        empty = values.size == 0
        low, high = (np.zeros(values.shape[axis]),) * 2 if empty else (values.min(others), values.max(others))
    return params_from_range(low, high, grid, symmetric=symmetric, axis=axis, block_size=block_size)


def spread(values: NDArray[_T], params: QuantParams, shape: tuple[int, ...]) -> NDArray[_T]:
    """A scale or zero point repeated so that it broadcasts against a tensor of `shape`.

    Raises:
        OptionError: the parameters do not fit the shape.
    """
    if params.axis is None:
        return values
    axis = _positive_axis(params.axis, len(shape))
    if params.block_size is not None:
        repeated = np.repeat(values, params.block_size, axis=axis)
        repeated = repeated[tuple(slice(0, n) for n in shape)]
        if repeated.shape != shape:
            raise OptionError(f"blocked scales of shape {values.shape} do not fit a tensor of shape {shape}")
        return repeated
    if values.shape != (shape[axis],):
        raise OptionError(f"{values.size} scales do not fit axis {axis} of a tensor of shape {shape}")
    return values.reshape(tuple(-1 if i == axis else 1 for i in range(len(shape))))


def _stored(scale: Doubles) -> Floats:
    """The exact scale rounded up to float32, so that the range stays covered; 1 for an all-zero range."""
    bounded = np.clip(np.where(scale == 0.0, 1.0, scale), SMALLEST_SCALE, LARGEST_SCALE)
    rounded = bounded.astype(np.float32)
    below = rounded.astype(np.float64) < bounded
    return np.where(below, np.nextafter(rounded, np.float32(np.inf)), rounded).astype(np.float32)


def _block_ends(values: NDArray[Any], axis: int, block_size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    if block_size < 1:
        raise OptionError(f"block_size {block_size} is not positive; give 1 or more")
    starts = np.arange(0, values.shape[axis], block_size)
    return np.minimum.reduceat(values, starts, axis=axis), np.maximum.reduceat(values, starts, axis=axis)


def _positive_axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise OptionError(f"axis {axis} does not exist in a tensor of rank {rank}; use {-rank} to {rank - 1}")
    return axis % rank
