"""Quotients rounded as `octavo.affine` rounds them."""

from __future__ import annotations

from typing import Any


def nearest(torch: Any, x: Any, scale: Any) -> Any:
    """round(x / scale), half to even, of the exact quotient, as the same float type.

    In float32 a quotient may itself be rounded onto a half; there alone it is taken once more in float64, where
    the quotient of two float32 cannot be.

    Args:
        torch: the package.
        x: float32 of any shape.
        scale: float32, positive, of a shape that broadcasts to that of `x`.
    """
    quotient = x / scale
    rounded = torch.round(quotient)
    tie = (quotient - rounded).abs() == 0.5
    if not bool(tie.any()):
        return rounded
    exact = torch.round(x[tie].double() / scale.expand(x.shape)[tie].double())
    rounded[tie] = exact.to(x.dtype)
    return rounded
