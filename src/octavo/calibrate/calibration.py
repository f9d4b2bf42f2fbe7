"""The result of a calibration pass: one observer per tensor, and the hashes of the samples."""

from __future__ import annotations

from dataclasses import dataclass, field

from octavo.affine import Grid
from octavo.errors import OptionError
from octavo.ranges import Observer, Range, RangeSketch, estimator


@dataclass
class Calibration:
    """The observers of a pass by tensor name.

    Attributes:
        observers: observer of each tensor, read by its estimator.
        sample_hashes: eight bytes per sample, in order; equal samples have equal hashes. Empty bytes where the
            pass did not hash samples.
        seconds: wall time of the pass, summed over its parts when it was resumed.
    """

    observers: dict[str, Observer]
    sample_hashes: list[bytes] = field(default_factory=list)
    seconds: float = 0.0
    _ranges: dict[tuple[str, str, Grid, bool], Range] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def range(self, name: str, spec: str, grid: Grid, symmetric: bool) -> Range:
        """The range that an estimator chooses for a tensor on a grid; a search runs once for each.

        Args:
            name: the observed tensor.
            spec: the estimator's name, with its argument.
            grid: the grid of the tensor.
            symmetric: whether the zero point is fixed at the middle of the grid.
        """
        key = (name, spec, grid, symmetric)
        if key not in self._ranges:
            self._ranges[key] = estimator(spec).range(self.observers[name], grid, symmetric)
        return self._ranges[key]

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.sample_hashes)

    def merge(self, other: Calibration) -> Calibration:
        """The calibration of the union of two disjoint parts of the data.

        Raises:
            OptionError: the parts observed different tensors, or an observer is not mergeable.
        """
        if set(self.observers) != set(other.observers):
            raise OptionError("the calibrations observed different tensors; make them from one model and target")
        merged: dict[str, Observer] = {}
        for name, one in self.observers.items():
            two = other.observers[name]
            if not isinstance(one, RangeSketch) or not isinstance(two, RangeSketch):
                raise OptionError(
                    f"tensor '{name}' has an observer that depends on the order of samples; calibrate in one pass"
                )
            merged[name] = one.merge(two)
        return Calibration(merged, self.sample_hashes + other.sample_hashes, self.seconds + other.seconds)
