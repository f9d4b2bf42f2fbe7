"""Fake-quantize with a learnable scale and zero point."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from octavo.affine import QuantParams
from octavo.torch.train.fake_quantize import fake_quantize, round_straight_through, scale_gradient


class LearnableGrid(torch.nn.Module):
    """Fake-quantize with a learnable scale, and a learnable zero point for asymmetric grids.

    Parameters, all initially 0: `scale`, the logarithm of the factor on the initial scale, so that scales stay
    positive and optimizer steps are relative; `zero_point`, a shift as a fraction of the grid's levels. Their
    gradients are divided by sqrt(n * qmax) for n elements per scale (LSQ, section 2.2).

    Args:
        params: initial parameters.
        symmetric: keep the zero point fixed.
        samples: whether axis 0 of the quantized tensor is the batch axis.
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
        """Fake-quantize x; same shape."""
        grid = self._params.grid
        elements = x.numel() // (self.scale.numel() * (len(x) if self._samples and x.ndim else 1))
        factor = 1.0 / math.sqrt(max(elements, 1) * max(grid.qmax, 1))
        scale, zero_point = (self._broadcastable(values, x.shape) for values in self._current(factor))
        return fake_quantize(x, scale, zero_point, grid.qmin, grid.qmax)

    def current_scale(self) -> Tensor:
        """Return the current scales, in the shape of the initial ones."""
        return self._current(1.0)[0]

    def params(self) -> QuantParams:
        """Return the current scales and zero points."""
        with torch.no_grad():
            scale, zero_point = (values.numpy().copy() for values in self._current(1.0))
        first = self._params
        return QuantParams(first.grid, scale, zero_point.astype(np.int32), first.axis, first.block_size)

    def _current(self, factor: float) -> tuple[Tensor, Tensor]:
        grid = self._params.grid
        tiny = torch.finfo(torch.float32).tiny
        scale = (self.first_scale * torch.exp(scale_gradient(self.scale, factor))).clamp(min=tiny)
        if self.zero_point is None:
            return scale, self.first_zero_point
        shift = scale_gradient(self.zero_point, factor) * grid.levels
        return scale, round_straight_through(self.first_zero_point + shift).clamp(grid.qmin, grid.qmax)

    def _broadcastable(self, values: Tensor, shape: torch.Size) -> Tensor:
        """Reshape scales or zero points to broadcast against `shape`."""
        axis = self._params.axis
        if axis is None:
            return values
        if self._params.block_size is not None:
            return values.repeat_interleave(self._params.block_size, axis).narrow(axis, 0, shape[axis])
        return values.reshape([-1 if i == axis % len(shape) else 1 for i in range(len(shape))])
