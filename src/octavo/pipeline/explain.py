"""Explain how the scale and zero point of a range or of weights are derived."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.affine import Derivation, Grid, QuantParams, dequantize, derive, params_from_array, quantize
from octavo.data import FilePath
from octavo.data.array_files import read_tensor
from octavo.errors import DataError, OptionError


@dataclass(frozen=True)
class ChannelError:
    """Range and parameters of one channel, and the error of its values.

    Attributes:
        low: smallest value, at most 0.
        high: largest value, at least 0.
        scale: S.
        zero_point: Z.
        largest_error: largest absolute error, in units of S.
        sqnr_db: signal-to-quantization-noise ratio; None where no value has an error.
    """

    low: float
    high: float
    scale: float
    zero_point: int
    largest_error: float
    sqnr_db: float | None


@dataclass(frozen=True)
class Explanation:
    """A derivation step by step, and the parameters of each channel.

    Attributes:
        derivation: of the scale and zero point of the whole range.
        array: the weights, or the two ends of the range, as float32.
        channels: parameters along `axis`; None without an axis.
        axis: the channel axis, not negative; None for one scale.
    """

    derivation: Derivation
    array: NDArray[np.float32]
    channels: QuantParams | None
    axis: int | None

    def channel_errors(self) -> list[ChannelError]:
        """The error of each channel along `axis`; empty without an axis."""
        if self.channels is None or self.axis is None:
            return []
        count = self.array.shape[self.axis]
        restored = dequantize(quantize(self.array, self.channels), self.channels)
        rows = np.moveaxis(self.array, self.axis, 0).reshape(count, -1).astype(np.float64)
        errors = rows - np.moveaxis(restored, self.axis, 0).reshape(count, -1)
        return [
            _channel_error(*row)
            for row in zip(rows, errors, self.channels.scale.tolist(), self.channels.zero_point.tolist(), strict=True)
        ]


def explain(
    bounds: tuple[float, float] | None = None,
    *,
    weights: FilePath | NDArray[Any] | None = None,
    tensor: str | None = None,
    dtype: str = "int8",
    symmetric: bool = False,
    axis: int | None = None,
    values: Sequence[float] = (),
) -> Explanation:
    """Derive a scale and zero point step by step.

    Args:
        bounds: the ends of the real range; or give `weights`.
        weights: an array, or the path of a .npy, .npz or .onnx file.
        tensor: name of the array in the file; not needed for a file with one array.
        dtype: the grid, for example "int8", "uint4" or "int8[-127,127]".
        symmetric: fix the zero point at the middle of the grid.
        axis: derive one scale for each channel along this axis of `weights`.
        values: real numbers to quantize and dequantize.

    Raises:
        OptionError: `bounds` and `weights` are both given or both missing, or `axis` or `dtype` is not valid.
        DataError: the file or array cannot be read, is empty, or holds NaN or infinity.
    """
    if (bounds is None) == (weights is None):
        raise OptionError("give either `bounds` or `weights`")
    if axis is not None and weights is None:
        raise OptionError("`axis` needs `weights`; a range has no channels")
    grid = Grid.parse(dtype)
    array = _array(bounds if weights is None else weights, tensor)
    if array.size == 0 or not bool(np.isfinite(array).all()):
        raise DataError("the array is empty or holds NaN or infinity; give finite numbers")
    channels = None if axis is None else params_from_array(array, grid, symmetric=symmetric, axis=axis)
    low, high = bounds or (float(array.min()), float(array.max()))
    derivation = derive(low, high, grid, symmetric=symmetric, values=values)
    return Explanation(derivation, array, channels, None if axis is None else axis % array.ndim)


def _channel_error(
    values: NDArray[np.float64], error: NDArray[np.float64], scale: float, zero_point: int
) -> ChannelError:
    noise, signal = float((error**2).sum()), float((values**2).sum())
    return ChannelError(
        low=float(values.min(initial=0)),
        high=float(values.max(initial=0)),
        scale=scale,
        zero_point=zero_point,
        largest_error=float(np.abs(error).max(initial=0)) / scale,
        sqnr_db=None if noise == 0 else float(10 * np.log10(max(signal, 1e-300) / noise)),
    )


def _array(source: object, tensor: str | None) -> NDArray[np.float32]:
    if isinstance(source, str | os.PathLike):
        return read_tensor(Path(source), tensor)
    with np.errstate(over="ignore"):
        return np.asarray(source, np.float32)
