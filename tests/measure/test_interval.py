"""95% intervals: compared with independent formulas, and with what so many samples can show.

Their coverage is in test_coverage.py.
"""

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
from tests.helpers.coverage import Column, Drop, Score, auc, f1

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


def test_twenty_samples_of_which_none_differs_leave_sixteen_points_open() -> None:
    assert ends(0, 0, 20) == pytest.approx((-0.161, 0.161), abs=5e-4)


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


def mean(x: Array, labels: Array) -> float:
    """The negative mean, whose drop for floats of zero is the mean of the other outputs."""
    return -float(x.mean())


def of_arrays(score: Callable[[Array, Array], float]) -> Score:
    """A score of arrays in which each sample is as often as it was drawn."""

    def drawn_often(scores: Column, labels: Column, drawn: Array) -> float:
        return score(np.repeat(scores.values, drawn), np.repeat(labels.values, drawn))

    return drawn_often


def mean_of(x: Array) -> Drop:
    return Drop(of_arrays(mean), np.zeros(len(x)), x, np.zeros(len(x)))


@pytest.mark.parametrize("samples", [3, 9, 30, 300])
def test_symmetric_differences_give_the_t_interval(samples: int) -> None:
    half = np.random.default_rng(samples).normal(size=samples)
    x = 7.0 + np.concatenate([half, -half])
    expected = stats.t.interval(0.95, 2 * samples - 1, x.mean(), stats.sem(x))
    assert of_means(x, Groups(None, 2 * samples), 1.0).ends == pytest.approx(expected, rel=2e-4)
    assert of_scores(mean_of(x), Groups(None, 2 * samples), False, 0).ends == pytest.approx(expected, rel=2e-4)


def test_skewed_differences_reach_further_to_the_side_of_the_tail() -> None:
    x = np.random.default_rng(0).exponential(size=40)
    found = of_means(x, Groups(None, 40), 1.0).ends
    low, high = stats.t.interval(0.95, 39, x.mean(), stats.sem(x))
    assert found is not None
    assert found[1] > high
    assert found[0] == pytest.approx(low)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.floats(1e-9, 1e6))
def test_means_hold_the_estimate_and_never_collapse(values: list[float], scale: float) -> None:
    x = np.array(values)
    found = of_means(x, Groups(None, len(x)), scale).ends
    assert found is not None
    slack = 1e-9 * (np.abs(x).max() + 1)
    assert found[0] - slack <= x.mean() <= found[1] + slack
    if np.abs(x).max() == 0 or np.abs(x).min() > 1e-6:
        assert found[0] < found[1]


@pytest.mark.parametrize("samples", [2, 5, 20, 400])
def test_no_difference_leaves_what_one_more_sample_would_do(samples: int) -> None:
    bound = 3.0 * Z**2 / (samples + Z**2)
    assert of_means(np.zeros(samples), Groups(None, samples), 3.0).ends == pytest.approx((-bound, bound), rel=1e-5)


@pytest.mark.parametrize(("score", "samples"), [(auc, 20), (f1, 20), (auc, 300), (f1, 300)])
def test_scores_that_do_not_differ_leave_what_one_more_sample_would_do(score: Any, samples: int) -> None:
    labels = (np.arange(samples) % 2).astype(float)
    outputs = (2 * labels - 1) * np.linspace(1, 2, samples)
    for large in (False, True):
        found = of_scores(Drop(score, outputs, outputs * 1.001, labels), Groups(None, samples), large, 0).ends
        assert found is not None
        assert found[1] == -found[0]
        # Like a proportion of as many samples, or of half of them where those of one class count.
        assert 0.7 * Z**2 / (samples + Z**2) < found[1] < 2 * Z**2 / (samples / 2 + Z**2)


def test_equal_differences_leave_room_on_both_sides() -> None:
    found = of_means(np.full(8, 0.25), Groups(None, 8), 1.0).ends
    assert found is not None
    assert found[0] < 0.15
    assert found[1] > 0.35


def test_one_differing_sample_does_not_tell_the_size_of_the_next() -> None:
    x = np.zeros(50)
    x[7] = 1e-3
    found = of_means(x, Groups(None, 50), 1.0).ends
    assert found is not None
    assert found[1] > 0.05


def test_copies_of_a_sample_do_not_narrow_the_interval() -> None:
    x, copies = np.random.default_rng(0).normal(size=60), 9
    alone = of_means(x, Groups(None, 60), 1.0).ends
    naive = of_means(np.repeat(x, copies), Groups(None, 60 * copies), 1.0).ends
    grouped = of_means(np.repeat(x, copies), Groups(np.repeat(np.arange(60), copies), 60 * copies), 1.0).ends
    assert grouped == pytest.approx(alone, rel=1e-9)
    assert naive is not None
    assert grouped is not None
    assert (grouped[1] - grouped[0]) / (naive[1] - naive[0]) == pytest.approx(3.0, rel=0.1)


def test_scores_of_more_samples_than_blocks_depend_on_the_seed_alone() -> None:
    drop, groups = mean_of(np.random.default_rng(0).normal(size=900)), Groups(None, 900)
    for large, blocks in ((False, 400), (True, 20)):
        first, again, other = (of_scores(drop, groups, large, seed) for seed in (1, 1, 2))
        assert first == again
        assert first.ends != other.ends
        assert first.method == f"score interval of jackknife pseudo-values, {blocks} blocks of 900 samples"


def test_one_sample_or_group_gives_no_interval() -> None:
    for groups in (Groups(None, 1), Groups(np.zeros(1), 1)):
        assert of_means(np.ones(1), groups, 1.0).ends is None
        assert of_scores(mean_of(np.ones(1)), groups, False, 0).ends is None


def test_a_score_that_nothing_moves_has_no_interval() -> None:
    found = of_scores(
        Drop(of_arrays(lambda x, y: 0.5), np.zeros(9), np.ones(9), np.zeros(9)), Groups(None, 9), False, 0
    )
    assert found.ends is None
    assert "does not change" in found.method


def only_with_the_first(x: Array, labels: Array) -> float:
    return -float(x.mean()) if (labels == 0).any() else float("nan")


def test_resamples_without_a_value_are_left_out() -> None:
    x = np.random.default_rng(0).normal(size=6)
    drop = Drop(of_arrays(only_with_the_first), np.zeros(6), x, np.arange(6))
    # The probability that a resample contains the first sample is 1 - (5/6)^6 = 0.665.
    found = of_scores(drop, Groups(None, 6), False, 0)
    assert found.ends is not None
    assert np.isfinite(found.ends).all()
    used = int(found.method.split()[2])
    assert stats.binom.ppf(0.0005, 1000, 0.665) <= used <= stats.binom.ppf(0.9995, 1000, 0.665)
    # Without the first sample the difference is undefined.
    assert of_scores(drop, Groups(None, 6), True, 0).ends is None


def test_a_score_undefined_for_most_resamples_has_no_interval() -> None:
    def whole(x: Array, labels: Array) -> float:
        return -float(x.mean()) if len(set(labels.tolist())) == 5 else float("nan")

    assert (
        of_scores(Drop(of_arrays(whole), np.zeros(5), np.ones(5), np.arange(5)), Groups(None, 5), False, 0).ends is None
    )
