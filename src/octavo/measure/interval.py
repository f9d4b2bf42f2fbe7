"""95% intervals of paired differences between two models on the same samples."""

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
# The 97.5th percentile of Student's t for few degrees of freedom, where the series is inaccurate.
_STUDENT = {1: 12.70620, 2: 4.302653, 3: 3.182446}


@dataclass(frozen=True)
class Interval:
    """Bounds of the 95% interval, None where there are too few data, and the method."""

    ends: tuple[float, float] | None
    method: str


_SINGLE = Interval(None, "none: a single sample or group")
_UNDEFINED = Interval(None, "none: the metric has no value on too many of the resamples")


def of_proportions(lost: int, gained: int, total: int, whole: float, kind: str = "samples") -> Interval:
    """Interval of the difference of paired proportions (lost - gained) / total, times `whole`.

    Tango's score interval (1998, "Equivalence test and confidence interval for the difference in
    proportions for the paired-sample design"), which keeps its coverage also where few samples differ.
    """
    low = _tango_end(lost, gained, total, -1.0)
    high = _tango_end(lost, gained, total, 1.0)
    return Interval((low * whole, high * whole), f"Tango's score interval of paired proportions, {total} {kind}")


def of_means(differences: Doubles, groups: Groups, seed: int) -> Interval:
    """Interval of the mean of paired differences, by a bootstrap over groups."""
    if groups.count < 2:
        return _SINGLE
    sums = np.bincount(groups.index, differences, groups.count)
    sizes = np.bincount(groups.index, minlength=groups.count)
    rng = np.random.default_rng(seed)
    means = np.empty(_RESAMPLES)
    for i in range(_RESAMPLES):
        drawn = rng.integers(0, groups.count, groups.count)
        means[i] = sums[drawn].sum() / sizes[drawn].sum()
    ends = _ends(means, float(differences.mean()), groups.count)
    return Interval(ends, f"paired bootstrap, {_RESAMPLES} resamples of {groups.count} {groups.kind}")


def of_scores(drop: Callable[[Ints | None, Ints | None], float], groups: Groups, large: bool, seed: int) -> Interval:
    """Interval of the difference of any score, recomputed on resamples.

    Args:
        drop: (rows, their group ids) -> difference; NaN where the score is undefined, for example without samples
            of a class. Such resamples are discarded.
        groups: groups of samples that are resampled as a whole.
        large: recomputing is expensive: use a jackknife over 20 blocks of groups (Student's t) instead of 1,000
            bootstrap resamples.
        seed: seed of the resampling.
    """
    if groups.count < 2:
        return _SINGLE
    rng, center = np.random.default_rng(seed), drop(None, None)
    if not large:
        scores = np.array([drop(*groups.resample(rng)) for _ in range(_SCORE_RESAMPLES)])
        scores = scores[np.isfinite(scores)]
        if 2 * len(scores) < _SCORE_RESAMPLES:
            return _UNDEFINED
        ends = _ends(scores, center, groups.count)
        return Interval(ends, f"paired bootstrap, {len(scores)} resamples of {groups.count} {groups.kind}")
    blocks = min(_BLOCKS, groups.count)
    block_of = rng.permutation(groups.count) % blocks
    left_out = np.array([drop(groups.without(block_of == block), None) for block in range(blocks)])
    if not np.isfinite(left_out).all():
        return _UNDEFINED
    reach = _student(blocks - 1) * sqrt((blocks - 1) * float(left_out.var()))
    return Interval(
        (center - reach, center + reach), f"paired jackknife, {blocks} blocks of {groups.count} {groups.kind}"
    )


def _ends(values: Doubles, center: float, count: int) -> tuple[float, float]:
    """Percentiles of the resamples, corrected for small samples.

    Percentile intervals are too narrow for small n (Hesterberg 2015, "What Teachers Should Know About the
    Bootstrap"): variance with divisor n instead of n - 1, and normal instead of Student's t quantiles.
    """
    widening = sqrt(count / (count - 1)) * _student(count - 1) / _Z
    low, high = center + (np.quantile(values, [0.025, 0.975]) - center) * widening
    return float(low), float(high)


def _student(freedom: int) -> float:
    """The 97.5th percentile of Student's t (Abramowitz and Stegun 26.7.5)."""
    if freedom in _STUDENT:
        return _STUDENT[freedom]
    z = _Z
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(sum(term / freedom**power for power, term in enumerate(terms)))


def _tango_end(lost: int, gained: int, total: int, side: float) -> float:
    """The difference at which the score statistic reaches 1.96, by bisection."""
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
