"""A grid whose scale and zero point are learnt."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from octavo.affine import QuantParams
from octavo.torch.fake_quantize import fake_quantize, rounded, scaled_gradient


class LearnableGrid(torch.nn.Module):
    """Fake-quantize with a learnt scale, and a learnt zero point where the grid reaches below 0.

    Parameters, all 0 at first: `scale`, the logarithm of what the first scale is multiplied by, so that scales
    stay positive and a step of an optimizer is relative; `zero_point`, a shift in parts of the whole grid.
    Their gradients are divided by sqrt(n * qmax) for n numbers a scale (LSQ, section 2.2).

    Args:
        params: where it begins.
        symmetric: the zero point stays.
        samples: whether the first axis of what is quantized counts samples.
    """

    first_scale: Tensor
    first_zero_point: Tensor

    def __init__(self, params: QuantParams, *, symmetric: bool, samples: bool) -> None:
        super().__init__()
        self._params, self._samples = params, samples
        self.register_buffer("first_scale", torch.tensor(params.scale), persistent=False)
        self.register_buffer("first_zero_point", torch.tensor(params.zero_point.astype(np.float32)), persistent=False)
        self.scale = torch.nn.Parameter(torch.zeros(params.scale.shape))
        grid = params.grid
        inside = bool(np.all((params.zero_point > grid.qmin) & (params.zero_point < grid.qmax)))
        shifts = inside and not symmetric
        self.zero_point = torch.nn.Parameter(torch.zeros(params.scale.shape)) if shifts else None

    def forward(self, x: Tensor) -> Tensor:
        """x on the grid, of the same shape."""
        grid = self._params.grid
        each = x.numel() // (self.scale.numel() * (len(x) if self._samples and x.ndim else 1))
        factor = 1.0 / math.sqrt(max(each, 1) * max(grid.qmax, 1))
        scale, zero_point = (self._spread(part, x.shape) for part in self._current(factor))
        return fake_quantize(x, scale, zero_point, grid.qmin, grid.qmax)

    def current_scale(self) -> Tensor:
        """Scales as they are, in the shape of the first."""
        return self._current(1.0)[0]

    def params(self) -> QuantParams:
        """Scales and zero points as they are."""
        with torch.no_grad():
            scale, zero_point = (part.numpy().copy() for part in self._current(1.0))
        first = self._params
        return QuantParams(first.grid, scale, zero_point.astype(np.int32), first.axis, first.block_size)

    def _current(self, factor: float) -> tuple[Tensor, Tensor]:
        grid = self._params.grid
        tiny = torch.finfo(torch.float32).tiny
        scale = (self.first_scale * torch.exp(scaled_gradient(self.scale, factor))).clamp(min=tiny)
        if self.zero_point is None:
            return scale, self.first_zero_point
        shift = scaled_gradient(self.zero_point, factor) * grid.levels
        return scale, rounded(self.first_zero_point + shift).clamp(grid.qmin, grid.qmax)

    def _spread(self, values: Tensor, shape: torch.Size) -> Tensor:
        """Shaped to broadcast against what is quantized."""
        axis = self._params.axis
        if axis is None:
            return values
        if self._params.block_size is not None:
            return values.repeat_interleave(self._params.block_size, axis).narrow(axis, 0, shape[axis])
        return values.reshape([-1 if i == axis % len(shape) else 1 for i in range(len(shape))])
