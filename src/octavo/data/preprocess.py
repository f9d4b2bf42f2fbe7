"""Preprocessing of stored samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from octavo.errors import OptionError


@dataclass(frozen=True)
class Preprocess:
    """Preprocessing of samples.

    Attributes:
        scale, offset: integers become `x * scale + offset`, floats are unchanged; images default to 1/255 and 0.
        size: (height, width) that images are resized to; the model's input size by default.
        mean, std: per channel; images become (x - mean) / std after scaling.
        layout: "NCHW" or "NHWC", the axis order of the model's image input.
    """

    scale: float | None = None
    offset: float = 0.0
    size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    layout: Literal["NCHW", "NHWC"] = "NCHW"

    def __post_init__(self) -> None:
        if self.layout not in ("NCHW", "NHWC"):
            raise OptionError(f"image layout '{self.layout}' is unknown; use NCHW or NHWC")
        numbers = (self.scale or 0.0, self.offset, *(self.mean or ()), *(self.std or ()))
        if not all(map(math.isfinite, numbers)):
            raise OptionError("the scale, offset, mean or std of the samples is NaN or infinite; give finite numbers")
        if self.std is not None and any(value == 0 for value in self.std):
            raise OptionError("image std holds a zero; give the standard deviation of each channel")

    def numbers(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """`x * scale + offset` as float32."""
        scale = 1.0 if self.scale is None else self.scale
        return np.asarray(x.astype(np.float32) * np.float32(scale) + np.float32(self.offset))
