"""Where the result of a fused operator goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from octavo.affine import QuantParams, quantize


@dataclass(frozen=True)
class Target:
    """The grid that a result goes to, and the part of it that activations in between leave."""

    params: QuantParams
    low: int
    high: int

    @property
    def bounds(self) -> list[int]:
        """The last attributes of a kernel that requantizes."""
        return [self.low, self.high]

    @property
    def whole(self) -> bool:
        """Whether nothing of the grid is cut off."""
        return (self.low, self.high) == (self.params.grid.qmin, self.params.grid.qmax)

    def clipped(self, low: float, high: float) -> Target:
        """Behind a clip of real numbers: the mapping is increasing, so clipping its integers is the same."""
        ends = quantize(np.asarray([low, high], np.float64), self.params).astype(int)
        cut = np.clip([self.low, self.high], *ends)
        return Target(self.params, int(cut[0]), int(cut[1]))
