"""Fake-quantize with the arithmetic of `octavo.affine` and gradients for values, scales and zero points.

Esser et al. 2020, "Learned Step Size Quantization" (LSQ), equations 1 to 3; Bhalgat et al. 2020, "LSQ+", for the
offset, which here is the zero point itself, so that 0.0 stays exact.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from octavo.torch.run.rounding import round_quotient


def fake_quantize(x: Tensor, scale: Tensor, zero_point: Tensor, qmin: int, qmax: int) -> Tensor:
    """S (clip(round(x / S) + Z, qmin, qmax) - Z), bit for bit as `octavo.affine.fake_quantize` for finite x.

    Gradients hold the rounding error constant. With respect to x: 1 inside the grid, 0 outside. To S:
    round(x / S) - x / S inside, q - Z outside. To Z: 0 inside, -S outside.

    Args:
        x: float32, any shape.
        scale: float32, positive; broadcasts to the shape of `x`.
        zero_point: integers as float32, same shape as `scale` or ().
        qmin, qmax: bounds of the grid.
    """
    result: Tensor = _FakeQuantize.apply(x, scale, zero_point, qmin, qmax)  # type: ignore[no-untyped-call]
    return result


def round_straight_through(x: Tensor) -> Tensor:
    """round(x), half to even, with the identity as its gradient (Bengio et al. 2013)."""
    result: Tensor = _RoundStraightThrough.apply(x)  # type: ignore[no-untyped-call]
    return result


def round_to_step(x: Tensor, step: Tensor) -> Tensor:
    """Round x to multiples of `step`, as an int32 bias does; the gradient to x is the identity."""
    exact = (torch.round(x.detach().double() / step.double()) * step.double()).to(x.dtype)
    return exact + (x - x.detach())


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """Return x, with its gradient multiplied by `factor` (LSQ, section 2.2)."""
    result: Tensor = _ScaleGradient.apply(x, factor)  # type: ignore[no-untyped-call]
    return result


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, zero_point: Tensor, qmin: int, qmax: int) -> Tensor:
        ctx.save_for_backward(x, scale, zero_point)
        ctx.bounds = qmin, qmax
        q = round_quotient(x, scale).add_(zero_point).clamp_(qmin, qmax)
        return q.sub_(zero_point).mul_(scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, zero_point = ctx.saved_tensors
        qmin, qmax = ctx.bounds
        quotient = x / scale
        steps = torch.round(quotient)
        q = steps + zero_point
        inside = (q >= qmin) & (q <= qmax)
        to_x = gradient * inside
        to_scale = to_zero = None
        if ctx.needs_input_grad[1]:
            slope = torch.where(inside, steps - quotient, q.clamp_(qmin, qmax) - zero_point)
            to_scale = (gradient * slope).sum_to_size(scale.shape)
        if ctx.needs_input_grad[2]:
            to_zero = ((to_x - gradient) * scale).sum_to_size(zero_point.shape)
        return to_x, to_scale, to_zero, None, None


class _RoundStraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None
