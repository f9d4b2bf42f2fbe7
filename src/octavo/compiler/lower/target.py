"""The output grid of an operator that requantizes its result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from octavo.affine import QuantParams, quantize


def bounds_of(target: Target | None) -> dict[str, int]:
    """The saturation bounds as attributes of a kernel; zeros, which are ignored, if its result is float."""
    return {"qmin": 0, "qmax": 0} if target is None else {"qmin": target.low, "qmax": target.high}


@dataclass(frozen=True)
class Target:
    """The output parameters, and the part [low, high] of the grid that fused activations leave."""

    params: QuantParams
    low: int
    high: int

    @property
    def is_full_range(self) -> bool:
        """Whether the bounds are those of the grid."""
        return (self.low, self.high) == (self.params.grid.qmin, self.params.grid.qmax)

    def clipped(self, low: float, high: float) -> Target:
        """The target with a clip to real values fused: quantization is monotonic, so the integers can be clipped."""
        ends = quantize(np.asarray([low, high], np.float64), self.params).astype(int)
        cut = np.clip([self.low, self.high], *ends)
        return Target(self.params, int(cut[0]), int(cut[1]))
