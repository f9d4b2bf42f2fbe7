"""Fake-quantize with the arithmetic of `octavo.affine`, and gradients for numbers, scales and zero points.

Esser et al. 2020, "Learned Step Size Quantization" (LSQ), equations 1 to 3; Bhalgat et al. 2020, "LSQ+", for
the offset, which here is the zero point itself so that 0.0 stays exact.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from octavo.torch.rounding import nearest


def fake_quantize(x: Tensor, scale: Tensor, zero_point: Tensor, qmin: int, qmax: int) -> Tensor:
    """S (clip(round(x / S) + Z, qmin, qmax) - Z), bit for bit as `octavo.affine.fake_quantize` for finite x.

    Gradients are those of the function with the rounding error held constant: 1 to x inside the grid and 0
    beyond; to S, round(x / S) - x / S inside and q - Z beyond; to Z, 0 inside and -S beyond.

    Args:
        x: float32 of any shape.
        scale: float32, positive; shape () or one that broadcasts to that of `x`.
        zero_point: whole numbers as float32, shaped as `scale` or ().
        qmin, qmax: the ends of the grid.
    """
    result: Tensor = _FakeQuantize.apply(x, scale, zero_point, qmin, qmax)  # type: ignore[no-untyped-call]
    return result


def rounded(x: Tensor) -> Tensor:
    """round(x), half to even; gradients pass straight through (Bengio et al. 2013)."""
    result: Tensor = _Rounded.apply(x)  # type: ignore[no-untyped-call]
    return result


def on_steps(x: Tensor, step: Tensor) -> Tensor:
    """x on the multiples of `step`, as an int32 bias is held; gradients pass straight through to x."""
    exact = (torch.round(x.detach().double() / step.double()) * step.double()).to(x.dtype)
    result: Tensor = exact + (x - x.detach())
    return result


def scaled_gradient(x: Tensor, factor: float) -> Tensor:
    """x itself, whose gradient is multiplied by `factor` (LSQ, section 2.2)."""
    result: Tensor = _ScaledGradient.apply(x, factor)  # type: ignore[no-untyped-call]
    return result


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, zero_point: Tensor, qmin: int, qmax: int) -> Tensor:
        ctx.save_for_backward(x, scale, zero_point)
        ctx.ends = qmin, qmax
        q = nearest(torch, x, scale).add_(zero_point).clamp_(qmin, qmax)
        result: Tensor = q.sub_(zero_point).mul_(scale)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, zero_point = ctx.saved_tensors
        qmin, qmax = ctx.ends
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


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class _ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None
