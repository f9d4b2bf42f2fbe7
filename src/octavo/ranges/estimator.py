"""What turns an observer into the range to quantize."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from octavo.affine import Grid
from octavo.ranges.observer import Observer

Range = tuple[float, float]


@dataclass(frozen=True)
class Estimator:
    """A named way to choose a range.

    Attributes:
        name: the name with its parameter, as recipes write it ("percentile:99.9").
        observer: builds the observer that it reads, one for each tensor.
        choose: (observer, grid, symmetric) -> (low, high).
        mergeable: whether observers of parts of the data can be merged into that of the whole.
    """

    name: str
    observer: Callable[[], Observer]
    choose: Callable[[Any, Grid, bool], Range]
    mergeable: bool = True

    def range(self, observer: Observer, grid: Grid, symmetric: bool) -> Range:
        """The range (low, high) for a grid; (0.0, 0.0) when nothing finite was observed."""
        return self.choose(observer, grid, symmetric)
