"""The interface of a range estimator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from octavo.affine import Grid
from octavo.ranges.observer import Observer

Range = tuple[float, float]


@dataclass(frozen=True)
class Estimator:
    """A function from an observer to a range.

    Attributes:
        name: name with parameter, as written in recipes ("percentile:99.9").
        observer: creates the observer of one tensor.
        choose: (observer, grid, symmetric) -> (low, high).
        mergeable: whether observers of disjoint parts of the data can be merged.
    """

    name: str
    observer: Callable[[], Observer]
    choose: Callable[[Any, Grid, bool], Range]
    mergeable: bool = True

    def range(self, observer: Observer, grid: Grid, symmetric: bool) -> Range:
        """The range (low, high) for a grid; (0.0, 0.0) when no finite value was observed."""
        return self.choose(observer, grid, symmetric)
