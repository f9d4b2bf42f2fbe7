"""Round quotients as `octavo.affine` does."""

from __future__ import annotations

import torch
from torch import Tensor


def round_quotient(x: Tensor, scale: Tensor) -> Tensor:
    """round(x / scale), half to even, of the exact quotient, in the dtype of `x`.

    A float32 quotient may itself be rounded onto a tie; only those elements are divided again in float64, where the
    quotient of two float32 numbers cannot be rounded onto one.

    Args:
        x: float32, any shape.
        scale: float32, positive; broadcasts to the shape of `x`.
    """
    quotient = x / scale
    rounded = torch.round(quotient)
    tie = (quotient - rounded).abs() == 0.5
    if not bool(tie.any()):
        return rounded
    exact = torch.round(x[tie].double() / scale.expand(x.shape)[tie].double())
    rounded[tie] = exact.to(x.dtype)
    return rounded
