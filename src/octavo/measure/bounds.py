"""Ends of 95% intervals: of paired proportions, of means of skewed values, and of means of values that are mostly zero.

They are closed formulas, so that the same values give the same ends on every machine.
"""

from __future__ import annotations

from math import cbrt, sqrt

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Ends = tuple[float, float]

_Z = 1.959964
# The 97.5th percentile of Student's t for few degrees of freedom, where the series is inaccurate.
_STUDENT = {1: 12.70620, 2: 4.302653, 3: 3.182446}
# Lower 2.5% bounds of a Poisson mean where 1, 2 or 3 events were seen.
_RARE = {1: 0.02532, 2: 0.24221, 3: 0.61867}
# Relative spread below which values are equal but for rounding.
_EQUAL = 1e-12
# Up to this many differing samples, the size of the next one is not known from those seen.
_UNKNOWN = 1


def tango(lost: float, gained: float, total: int) -> Ends:
    """Tango's score interval of the difference of paired proportions, (lost - gained) / total.

    T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design", Statistics in Medicine 17 (1998). Where no pair differs it is ± z² / (total + z²), which is Wilson's bound.
    Where all but three pairs or fewer differ, and in one direction, the outer end is that of L. Brown, T. Cai and
    A. DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16 (2001), for Wilson's is too
    near there.
    """
    low, high = _tango_end(lost, gained, total, -1.0), _tango_end(lost, gained, total, 1.0)
    alike = round(total - lost - gained)
    outer = 1.0 - _RARE[alike] / total if alike in _RARE and 2 * alike < total else 0.0
    return (min(low, -outer) if lost == 0.0 else low), (max(high, outer) if gained == 0.0 else high)


def of_values(values: Doubles, differing: int, scale: float) -> Ends:
    """Interval of the mean of independent values, of which many may be zero.

    Student's interval, and Hall's transformation, which removes the effect of skewness (P. Hall, "On the removal of
    skewness by transformation", Journal of the Royal Statistical Society B 54 (1992)). Where some values are zero,
    also the score interval of a compound proportion: Tango's, in units of the mean size of a difference, for it is
    how many samples differ that is uncertain then, not only by how much.

    Args:
        values: at least two.
        differing: how many of them are not zero.
        scale: the size of a difference where at most one was seen.
    """
    if float(values.std()) <= _EQUAL * float(np.abs(values).max()):
        return _compound(values, differing, scale)
    skewed = _hall(values)
    other = _student_ends(values) if differing == len(values) else _compound(values, differing, scale)
    return min(skewed[0], other[0]), max(skewed[1], other[1])


def student(freedom: int) -> float:
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


def share_bound(total: float) -> float:
    """The largest share of samples that may differ where none of `total` does: Wilson's bound, z² / (total + z²)."""
    return _Z**2 / (total + _Z**2)


def samples_for(share: float) -> float:
    """The number of samples at which `share_bound` is `share`, which is between 0 and 1."""
    return float(max(_Z**2 * (1 / share - 1), 1.0))


def widening(count: int) -> float:
    """What percentiles of resamples lack for few samples: the divisor n - 1, and Student's quantile."""
    return sqrt(count / (count - 1)) * student(count - 1) / _Z


def _student_ends(values: Doubles) -> Ends:
    reach = student(len(values) - 1) * float(values.std(ddof=1)) / sqrt(len(values))
    return float(values.mean()) - reach, float(values.mean()) + reach


def _hall(values: Doubles) -> Ends:
    """Hall's cubic transformation of Student's statistic, with Student's quantiles."""
    count, mean, spread = len(values), float(values.mean()), float(values.std(ddof=1))
    # The sample's skewness is too small by about this factor.
    skewness = float((((values - mean) / values.std()) ** 3).mean() * (count / (count - 1)) ** 1.5)
    if abs(skewness) < 1e-6:
        return _student_ends(values)

    def inverse(quantile: float) -> float:
        return 3 * (cbrt(1 + skewness * (quantile / sqrt(count) - skewness / (6 * count))) - 1) / skewness

    quantile = student(count - 1)
    return mean - spread * inverse(quantile), mean - spread * inverse(-quantile)


def _compound(values: Doubles, differing: int, scale: float) -> Ends:
    """Tango's interval in units of the mean size of a difference, each weighted by its own size."""
    sizes = np.abs(values)
    unseen = scale if differing <= _UNKNOWN else 0.0
    largest = max(float(sizes.max()), unseen)
    if largest == 0.0:
        return 0.0, 0.0
    shares, share = sizes / largest, unseen / largest  # their squares do not underflow
    unit = largest * (float((shares * shares).sum()) + share * share) / (float(shares.sum()) + share)
    lost, gained = (float(sizes[sign * values > 0].sum()) / unit for sign in (1, -1))
    low, high = (end * unit for end in tango(lost, gained, len(values)))
    middle = float(values.mean())
    if float(values.std()) <= _EQUAL * float(sizes.max()):  # all values are equal: neither end may touch them
        reach = max(middle - low, high - middle)
        return middle - reach, middle + reach
    return low, high


def _tango_end(lost: float, gained: float, total: int, side: float) -> float:
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


def _tango_score(lost: float, gained: float, total: int, difference: float) -> float:
    a = 2 * total
    b = -lost - gained + (2 * total - lost + gained) * difference
    c = -gained * difference * (1 - difference)
    q = (sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = total * (2 * q + difference * (1 - difference))
    deviation = lost - gained - total * difference
    return deviation / sqrt(variance) if variance > 0 else (0.0 if deviation == 0 else float("inf"))
