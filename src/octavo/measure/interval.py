"""95% intervals of a paired difference: the same samples through both models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from octavo.measure.resample import Groups

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

_RESAMPLES = 2000
_SCORE_RESAMPLES = 1000
_BLOCKS = 20
_Z = 1.959964
# Student's t of 19 degrees of freedom, for 20 blocks.
_T19 = 2.093024


@dataclass(frozen=True)
class Interval:
    """Ends of the 95% interval and how they were found; None when there is too little to tell anything."""

    ends: tuple[float, float] | None
    method: str


def of_proportions(lost: int, gained: int, total: int, whole: float) -> Interval:
    """Of a difference of paired proportions (lost - gained) / total, times `whole`.

    Tango's score interval (1998, "Equivalence test and confidence interval for the difference in
    proportions for the paired-sample design"), which holds its level also where few samples differ.
    """
    low = _tango_end(lost, gained, total, -1.0)
    high = _tango_end(lost, gained, total, 1.0)
    return Interval((low * whole, high * whole), f"Tango's score interval of paired proportions, {total} samples")


def of_means(differences: Doubles, groups: Groups, seed: int) -> Interval:
    """Of the mean of paired differences, by a percentile bootstrap over groups."""
    if groups.count < 2:
        return Interval(None, "none: a single sample or group")
    sums = np.bincount(groups.index, differences, groups.count)
    sizes = np.bincount(groups.index, minlength=groups.count)
    rng = np.random.default_rng(seed)
    means = np.empty(_RESAMPLES)
    for i in range(_RESAMPLES):
        chosen = rng.integers(0, groups.count, groups.count)
        means[i] = sums[chosen].sum() / sizes[chosen].sum()
    return Interval(_ends(means), f"paired bootstrap, {_RESAMPLES} resamples of {groups.count} {groups.kind}")


def of_scores(drop: Callable[[Ints | None, Ints | None], float], groups: Groups, large: bool, seed: int) -> Interval:
    """Of the difference of any score, recomputed on parts of the samples.

    Args:
        drop: the difference on chosen rows, with the group ids that those rows then have.
        groups: which samples belong together.
        large: recomputing is dear: leave out one of 20 blocks of groups in turn (jackknife, Student's
            t) in place of 1,000 bootstrap resamples.
        seed: of the resamples.
    """
    if groups.count < 2:
        return Interval(None, "none: a single sample or group")
    rng = np.random.default_rng(seed)
    if not large:
        scores = np.array([drop(*groups.resample(rng)) for _ in range(_SCORE_RESAMPLES)])
        return Interval(
            _ends(scores), f"paired bootstrap, {_SCORE_RESAMPLES} resamples of {groups.count} {groups.kind}"
        )
    blocks = min(_BLOCKS, groups.count)
    block_of = rng.permutation(groups.count) % blocks
    left_out = np.array([drop(groups.without(block_of == block), None) for block in range(blocks)])
    center, error = drop(None, None), sqrt((blocks - 1) * float(left_out.var()))
    t = _T19 if blocks == _BLOCKS else 12.7 if blocks == 2 else 4.3
    return Interval(
        (center - t * error, center + t * error), f"paired jackknife, {blocks} blocks of {groups.count} {groups.kind}"
    )


def _ends(values: Doubles) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _tango_end(lost: int, gained: int, total: int, side: float) -> float:
    """The difference at which the score statistic reaches 1.96, found by bisection."""
    estimate = (lost - gained) / total
    inside, outside = estimate, side
    for _ in range(60):
        middle = (inside + outside) / 2
        if abs(_tango_score(lost, gained, total, middle)) < _Z:
            inside = middle
        else:
            outside = middle
    return inside


def _tango_score(lost: int, gained: int, total: int, difference: float) -> float:
    a = 2 * total
    b = -lost - gained + (2 * total - lost + gained) * difference
    c = -gained * difference * (1 - difference)
    q = (sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = total * (2 * q + difference * (1 - difference))
    deviation = lost - gained - total * difference
    return deviation / sqrt(variance) if variance > 0 else (0.0 if deviation == 0 else float("inf"))
