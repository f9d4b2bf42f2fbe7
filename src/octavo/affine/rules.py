"""The rules by which a target derives scales and zero points, and rounds to them."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from numpy.typing import ArrayLike, NDArray

from octavo.affine.grid import Grid
from octavo.affine.mapping import quantize
from octavo.affine.params import QuantParams, params_from_array, params_from_range
from octavo.affine.pytorch import pytorch_params, pytorch_params_from_array, pytorch_quantize

RuleName = Literal["affine", "pytorch"]


class Rule(Protocol):
    """How parameters follow from real ranges, and integers from parameters."""

    def params_from_range(
        self, low: ArrayLike, high: ArrayLike, grid: Grid, *, symmetric: bool = False, axis: int | None = None
    ) -> QuantParams:
        """Scale and zero point of the range [low, high]."""

    def params_from_array(
        self,
        array: ArrayLike,
        grid: Grid,
        *,
        symmetric: bool = False,
        axis: int | None = None,
        block_size: int | None = None,
    ) -> QuantParams:
        """Scale and zero point from the minimum and maximum of an array."""

    def quantize(self, x: ArrayLike, params: QuantParams) -> NDArray[Any]:
        """Integers of `params.grid.numpy_dtype`, of the shape of `x`."""


class AffineRule:
    """Octavo's own rule, computed in float64: `params_from_range` and `quantize`."""

    params_from_range = staticmethod(params_from_range)
    params_from_array = staticmethod(params_from_array)
    quantize = staticmethod(quantize)


class PyTorchRule:
    """The rule of PyTorch's observers, computed in float32: `pytorch_params` and `pytorch_quantize`."""

    params_from_range = staticmethod(pytorch_params)
    params_from_array = staticmethod(pytorch_params_from_array)
    quantize = staticmethod(pytorch_quantize)


_RULES: dict[str, Rule] = {"affine": AffineRule(), "pytorch": PyTorchRule()}


def rule(name: RuleName) -> Rule:
    """The rule of a target's `rule` field."""
    return _RULES[name]
