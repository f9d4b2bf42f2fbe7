"""95% intervals: compared with independent formulas, by exact coverage, and by simulation."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats

from octavo.measure import interval
from octavo.measure.interval import of_means, of_proportions, of_scores
from octavo.measure.resample import Groups

Array = NDArray[Any]
Z = stats.norm.ppf(0.975)

COUNTS = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 60)).filter(lambda c: sum(c) > 0)


def ends(losses: int, gains: int, total: int) -> tuple[float, float]:
    interval = of_proportions(losses, gains, total, 1.0).ends
    assert interval is not None
    return interval


def score_statistic(losses: int, gains: int, total: int, difference: float) -> float:
    """Tango's score statistic; numerical maximum likelihood gives the nuisance parameter."""
    same = total - losses - gains

    def term(count: int, probability: float) -> float:
        return count * np.log(max(probability, 1e-300)) if count else 0.0

    def loss(q: float) -> float:
        return -(term(losses, q + difference) + term(gains, q) + term(same, 1 - 2 * q - difference))

    low, high = max(0.0, -difference), (1 - difference) / 2
    q = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (losses - gains - total * difference) / sqrt(total * (2 * q + difference - difference**2))


@pytest.mark.parametrize(
    ("losses", "gains", "total"), [(1, 7, 21), (1, 0, 44), (3, 3, 10), (12, 5, 800), (40, 10, 90), (0, 9, 9), (2, 5, 7)]
)
def test_proportions_invert_the_score_test(losses: int, gains: int, total: int) -> None:
    estimate, edge = (losses - gains) / total, 1 - 1e-9

    def root(side: float) -> float:
        def distance(d: float) -> float:
            return abs(score_statistic(losses, gains, total, d)) - Z

        inner = estimate + 1e-9 * side
        return optimize.brentq(distance, inner, side * edge, xtol=1e-12) if abs(estimate - side) > 1e-6 else side

    # The numerical maximization limits the agreement.
    assert ends(losses, gains, total) == pytest.approx((root(-1.0), root(1.0)), abs=2e-6)


def test_proportions_give_the_published_interval() -> None:
    """Fagerland, Lydersen and Laake 2014, airway hyper-responsiveness: Tango's interval is -0.517 to -0.026."""
    assert ends(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


@given(COUNTS)
def test_proportions_contain_the_estimate_and_are_antisymmetric(counts: tuple[int, int, int]) -> None:
    losses, gains, total = counts[0], counts[1], sum(counts)
    low, high = ends(losses, gains, total)
    assert -1 <= low <= (losses - gains) / total <= high <= 1
    assert low < high
    assert ends(gains, losses, total) == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize("total", [1, 2, 10, 5000])
def test_proportions_have_positive_width_at_both_extremes(total: int) -> None:
    bound = Z**2 / (total + Z**2)
    assert ends(0, 0, total) == pytest.approx((-bound, bound), abs=1e-6)
    assert ends(total, 0, total) == pytest.approx(((total - Z**2) / (total + Z**2), 1.0), abs=1e-6)


def exact_coverage(total: int, p_lost: float, p_gained: float) -> float:
    losses, gains = (counts_of_one.ravel() for counts_of_one in np.meshgrid(np.arange(total + 1), np.arange(total + 1)))
    possible = losses + gains <= total
    counts = np.stack([losses[possible], gains[possible], total - losses[possible] - gains[possible]], -1)
    chance = stats.multinomial.pmf(counts, total, [p_lost, p_gained, 1 - p_lost - p_gained])
    likely = chance > 1e-7
    truth = p_lost - p_gained
    holds = [low <= truth <= high for low, high in (ends(int(b), int(c), total) for b, c, _ in counts[likely])]
    return float(chance[likely] @ np.array(holds, float))


@pytest.mark.parametrize(
    ("total", "p_lost", "p_gained"),
    [(20, 0.1, 0.1), (40, 0.1, 0.05), (60, 0.3, 0.1), (50, 0.5, 0.2), (100, 0.05, 0.02), (100, 0.01, 0.01)],
)
def test_proportions_cover_the_truth(total: int, p_lost: float, p_gained: float) -> None:
    """Sums the probabilities of all outcomes; counts are discrete, so a coverage of exactly 95% is impossible."""
    assert exact_coverage(total, p_lost, p_gained) > 0.93


def test_the_mean_coverage_of_proportions_is_95_percent() -> None:
    cases = [(20, 0.1, 0.1), (40, 0.1, 0.05), (60, 0.3, 0.1), (50, 0.5, 0.2)]
    assert np.mean([exact_coverage(*case) for case in cases]) == pytest.approx(0.95, abs=0.01)


def covers(intervals: list[tuple[float, float] | None], truth: float) -> None:
    """The number of intervals with the true value is one that has 99.9% probability for 95% intervals."""
    assert all(ends is not None for ends in intervals)
    covering = sum(ends[0] <= truth <= ends[1] for ends in intervals if ends is not None)
    low, high = stats.binom.ppf([0.0005, 0.9995], len(intervals), 0.95)
    assert low <= covering <= high, f"{covering} of {len(intervals)}"


@pytest.mark.parametrize("samples", [5, 12, 60])
def test_means_cover_the_truth_for_few_samples(samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interval, "_RESAMPLES", 300)
    rng, groups = np.random.default_rng(samples), Groups(None, samples)
    intervals = [of_means(0.3 + rng.normal(size=samples), groups, seed).ends for seed in range(500)]
    covers(intervals, 0.3)


def test_means_of_groups_cover_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interval, "_RESAMPLES", 300)
    rng, index = np.random.default_rng(0), np.repeat(np.arange(12), 5)
    intervals = [
        of_means(rng.normal(size=12)[index] + 0.3 * rng.normal(size=60), Groups(index, 60), seed).ends
        for seed in range(500)
    ]
    covers(intervals, 0.0)


@pytest.mark.parametrize(("large", "samples"), [(False, 15), (True, 15), (True, 300)])
def test_scores_cover_the_truth(large: bool, samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interval, "_SCORE_RESAMPLES", 200)
    rng, groups = np.random.default_rng(samples), Groups(None, samples)
    runs = 500 if large else 250
    intervals = [of_scores(mean_of(rng.normal(size=samples)), groups, large, seed).ends for seed in range(runs)]
    covers(intervals, 0.0)


def mean_of(x: Array) -> Callable[[Array | None, Array | None], float]:
    def drop(rows: Array | None, groups: Array | None) -> float:
        return float((x if rows is None else x[rows]).mean())

    return drop


@pytest.mark.parametrize("samples", [2, 3, 4, 9, 20])
def test_leaving_out_each_sample_gives_the_t_interval_of_a_mean(samples: int) -> None:
    x = np.random.default_rng(samples).normal(size=samples)
    expected = stats.t.interval(0.95, samples - 1, x.mean(), stats.sem(x))
    interval = of_scores(mean_of(x), Groups(None, samples), True, 0)
    assert interval.ends == pytest.approx(expected, rel=2e-4)
    assert interval.method == f"paired jackknife, {samples} blocks of {samples} samples"


@pytest.mark.parametrize("samples", [30, 3000])
def test_bootstraps_agree_with_the_t_interval_of_a_mean(samples: int) -> None:
    x = np.random.default_rng(samples).normal(1.0, 2.0, samples)
    expected = np.array(stats.t.interval(0.95, samples - 1, x.mean(), stats.sem(x)))
    # Percentiles of 1,000 to 2,000 resamples have an error of about 4% of the half width.
    margin = 0.15 * (expected[1] - expected[0]) / 2
    for bootstrap in (
        of_means(x, Groups(None, samples), 0).ends,
        of_scores(mean_of(x), Groups(None, samples), False, 0).ends,
    ):
        np.testing.assert_allclose(bootstrap, expected, atol=margin)


def test_copies_of_a_sample_do_not_narrow_the_interval() -> None:
    x, copies = np.random.default_rng(0).normal(size=60), 9
    ungrouped = of_means(x, Groups(None, 60), 0).ends
    naive = of_means(np.repeat(x, copies), Groups(None, 60 * copies), 0).ends
    grouped = of_means(np.repeat(x, copies), Groups(np.repeat(np.arange(60), copies), 60 * copies), 0).ends
    assert grouped == pytest.approx(ungrouped, rel=1e-9)
    assert naive is not None
    assert grouped is not None
    assert (grouped[1] - grouped[0]) / (naive[1] - naive[0]) == pytest.approx(3.0, rel=0.1)


def test_the_interval_depends_only_on_the_seed() -> None:
    x, groups = np.random.default_rng(0).normal(size=40), Groups(None, 40)
    for large in (False, True):
        first, repeated, other = (of_scores(mean_of(x), groups, large, seed).ends for seed in (1, 1, 2))
        assert first == repeated
        assert first != other
    assert of_means(x, groups, 1) == of_means(x, groups, 1) != of_means(x, groups, 2)


def test_one_sample_or_group_gives_no_interval() -> None:
    for groups in (Groups(None, 1), Groups(np.zeros(1), 1)):
        assert of_means(np.ones(1), groups, 0).ends is None
        assert of_scores(mean_of(np.ones(1)), groups, False, 0).ends is None


def test_equal_differences_give_zero_width() -> None:
    assert of_means(np.full(8, 0.25), Groups(None, 8), 0).ends == pytest.approx((0.25, 0.25))


def test_resamples_without_a_value_are_left_out() -> None:
    x, rare = np.random.default_rng(0).normal(size=6), mean_of(np.arange(6) == 0)

    def drop(rows: Array | None, groups: Array | None) -> float:
        return float("nan") if rare(rows, groups) == 0 else mean_of(x)(rows, groups)

    # The probability that a resample contains the rare sample is 1 - (5/6)^6 = 0.665.
    interval = of_scores(drop, Groups(None, 6), False, 0)
    assert interval.ends is not None
    assert np.isfinite(interval.ends).all()
    used = int(interval.method.split()[2])
    assert stats.binom.ppf(0.0005, 1000, 0.665) <= used <= stats.binom.ppf(0.9995, 1000, 0.665)
    # Without the rare sample the difference is undefined.
    assert of_scores(drop, Groups(None, 6), True, 0).ends is None


def test_a_score_undefined_for_most_resamples_has_no_interval() -> None:
    def drop(rows: Array | None, groups: Array | None) -> float:
        return float("nan") if rows is not None and len(set(rows.tolist())) < len(rows) else 1.0

    assert of_scores(drop, Groups(None, 5), False, 0).ends is None
