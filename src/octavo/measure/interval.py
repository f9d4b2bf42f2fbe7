"""95% intervals of paired differences between two models on the same samples, never narrower than so many can show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from octavo.measure.bounds import Ends, of_values, share_bound, tango, widening
from octavo.measure.resample import Groups

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

# How many values a score is left out of, one after another; larger sets are cut into so many blocks.
_BLOCKS, _FEW_BLOCKS = 400, 20
# How many samples are exchanged to see what one more differing sample does, and for large outputs.
_EXCHANGED, _FEW_EXCHANGED = 100, 10
# With how many others each is exchanged, where there are few samples.
_PARTNERS = 5
_RESAMPLES = 1000
# Pseudo-values of less than this share of their root mean square are of samples that do not differ.
_ALIKE = 0.1


@dataclass(frozen=True)
class Interval:
    """Bounds of the 95% interval, None where there are too few data, and the method."""

    ends: Ends | None
    method: str


class PairedScore(Protocol):
    """The drop of a score of two models, on parts of the samples and with changed outputs.

    It is NaN where the score is undefined, for example without samples of a class.
    """

    def __call__(self, rows: Ints | None, groups: Ints | None) -> float:
        """The drop on these rows, all with None, whose groups are numbered anew by `groups`."""

    def replaced(self, rows: Ints, by: Ints | None) -> float:
        """The drop if the quantized model gave for `rows` its outputs of the rows `by`; None: the float model's."""


_SINGLE = Interval(None, "none: a single sample or group")
_UNDEFINED = Interval(None, "none: the metric has no value on too many of the resamples")
_UNMOVED = Interval(None, "none: the metric does not change whatever a sample's outputs are")


def of_proportions(lost: int, gained: int, total: int, whole: float, kind: str = "samples") -> Interval:
    """Interval of the difference of paired proportions (lost - gained) / total, times `whole`: Tango's score interval.

    It keeps its coverage also where few samples differ, or none.
    """
    low, high = tango(lost, gained, total)
    return Interval((low * whole, high * whole), f"Tango's score interval of paired proportions, {total} {kind}")


def of_means(differences: Doubles, groups: Groups, scale: float) -> Interval:
    """Interval of the mean of paired differences.

    Args:
        differences: one for each sample.
        groups: groups of samples that count as one.
        scale: the size of the difference of a sample that the quantized model gets wrong, where at most one was seen.
    """
    if groups.count < 2:
        return _SINGLE
    sums = np.bincount(groups.index, differences, groups.count)
    sizes = np.bincount(groups.index, minlength=groups.count)
    mean = float(differences.mean())
    # The linearized ratio of the sum to the number of samples; the groups' own means where their sizes are equal.
    values = mean + (sums - mean * sizes) / sizes.mean()
    differing = int(np.count_nonzero(np.bincount(groups.index, differences != 0, groups.count)))
    values = np.where(sums == 0, 0.0, values) if mean == 0 else values
    ends = of_values(values, differing, scale)
    return Interval(ends, f"score interval of the mean of paired differences, {groups.count} {groups.kind}")


def of_scores(drop: PairedScore, groups: Groups, large: bool, seed: int) -> Interval:
    """Interval of the difference of any score, from the jackknife's pseudo-values.

    J. W. Tukey's pseudo-values of each sample are treated as paired differences of a mean; of the area under a curve
    they are the placements of DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988). Where at most one sample
    differs, what one more would do is seen by exchanging outputs between samples.

    Args:
        drop: the difference as a function of the samples.
        groups: groups of samples that are left out as a whole.
        large: recomputing is expensive: use few blocks of groups.
        seed: seed of the blocks and of the exchange.
    """
    if groups.count < 2:
        return _SINGLE
    rng, center = np.random.default_rng(seed), drop(None, None)
    count = min(_FEW_BLOCKS if large else _BLOCKS, groups.count)
    block_of = rng.permutation(groups.count) % count if count < groups.count else np.arange(count)
    left_out = np.array([drop(groups.without(block_of == block), None) for block in range(count)])
    if not np.isfinite(left_out).all():
        return _UNDEFINED if large else _bootstrap(drop, groups, center, rng)
    values = count * center - (count - 1) * left_out
    differing = _differing(drop, groups, block_of, center) if values.any() else 0
    scale = _scale(drop, groups, center, large, rng) / share_bound(count) if differing < 2 else 0.0
    if not values.any() and scale == 0.0:
        return _UNMOVED
    # Samples that differ move the score by much more than the others, whose pseudo-values need not be zero.
    unlike = int((np.abs(values) > _ALIKE * np.sqrt((values * values).mean())).sum())
    ends = of_values(values, min(differing, unlike) if differing < 2 else unlike, scale)
    blocks = "" if count == groups.count else f"{count} blocks of "
    return Interval(ends, f"score interval of jackknife pseudo-values, {blocks}{groups.count} {groups.kind}")


def _differing(drop: PairedScore, groups: Groups, block_of: Ints, center: float) -> int:
    """How many blocks differ in what the score sees; no more than two are counted."""
    found = 0
    for block in range(int(block_of.max()) + 1):
        found += drop.replaced(np.flatnonzero(block_of[groups.index] == block), None) != center
        if found == 2:
            break
    return found


def _scale(drop: PairedScore, groups: Groups, center: float, large: bool, rng: np.random.Generator) -> float:
    """How far the drop may be from what was seen, for samples none of which differs.

    Groups get other groups' outputs, one at a time, and the largest effect on each counts. Of the m with the largest
    effect, at most a share of z² / (m + z²) may differ (Wilson's bound); the m with the largest product counts.
    """
    budget = _FEW_EXCHANGED if large else _EXCHANGED
    tried = rng.permutation(groups.count)[:budget]
    others = min(max(budget // len(tried), 1), _PARTNERS, groups.count - 1)
    effects = np.zeros(len(tried))
    for i, group in enumerate(tried):
        rows = np.flatnonzero(groups.index == group)
        for step in rng.choice(groups.count - 1, others, replace=False):
            by = np.resize(np.flatnonzero(groups.index == (group + 1 + step) % groups.count), len(rows))
            effects[i] = np.fmax(effects[i], abs(drop.replaced(rows, by) - center))
    weight = groups.count / len(tried)
    sums = np.cumsum(np.sort(np.nan_to_num(effects))[::-1]) * weight
    members = weight * np.arange(1, len(tried) + 1)
    return float(max(total * share_bound(m) for total, m in zip(sums, members, strict=True)))


def _bootstrap(drop: PairedScore, groups: Groups, center: float, rng: np.random.Generator) -> Interval:
    """Percentiles of resamples, for scores that some samples cannot be left out of.

    They are widened as T. Hesterberg, "What Teachers Should Know About the Bootstrap" (The American Statistician 69,
    2015) advises for few samples, and at least by what one more differing sample would do.
    """
    scores = np.array([drop(*groups.resample(rng)) for _ in range(_RESAMPLES)])
    scores = scores[np.isfinite(scores)]
    if 2 * len(scores) < _RESAMPLES:
        return _UNDEFINED
    below, above = (np.quantile(scores, [0.025, 0.975]) - center) * widening(groups.count)
    floor = _scale(drop, groups, center, False, rng)
    if floor == 0.0 and below == above:
        return _UNMOVED
    low, high = center + min(float(below), -floor), center + max(float(above), floor)
    return Interval((low, high), f"paired bootstrap, {len(scores)} resamples of {groups.count} {groups.kind}")
