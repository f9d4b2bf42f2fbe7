"""Coverage simulations: how often 95% intervals hold the true drop, on models whose drop is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.measure.bounds import tango
from octavo.measure.interval import of_means, of_scores
from octavo.measure.resample import Groups

Array = NDArray[Any]
Draw = Callable[[np.random.Generator, int], tuple[Array, Array, Array]]
SAMPLES = (5, 10, 20, 50, 200, 2000)
# Large enough that the drop on them is the true one.
_POPULATION = 1_000_000


class Column:
    """A number for each sample, whose order is found once for all parts of the samples."""

    def __init__(self, values: Array) -> None:
        self.values, self.positive = values, values > 0

    @cached_property
    def order(self) -> Array:
        return np.argsort(self.values, kind="stable")

    def ranks(self, drawn: Array) -> Array:
        """Ranks, with mean 0, among the samples of which each was drawn so often; equal ones share their mean."""
        often = drawn[self.order]
        ranks = np.empty(len(drawn))
        ranks[self.order] = np.cumsum(often) - (often + drawn.sum()) / 2
        return ranks


# Of the outputs, the labels, and how often each sample was drawn.
Score = Callable[[Column, Column, Array], float]


@dataclass(frozen=True)
class Case:
    """A pair of models and a score of them; `draw` gives outputs of both and the labels."""

    name: str
    score: Score
    draw: Draw


class Drop:
    """The drop of a score on arrays, as `of_scores` takes it."""

    def __init__(self, score: Score, floats: Array, rounded: Array, labels: Array) -> None:
        self.score, self.floats, self.rounded, self.labels = score, Column(floats), Column(rounded), Column(labels)
        self.all = np.ones(len(labels), np.int64)
        self.reference = score(self.floats, self.labels, self.all)

    def __call__(self, rows: Array | None, groups: Array | None) -> float:
        if rows is None:
            return self.reference - self.score(self.rounded, self.labels, self.all)
        drawn = np.bincount(rows, minlength=len(self.all))
        return self.score(self.floats, self.labels, drawn) - self.score(self.rounded, self.labels, drawn)

    def replaced(self, rows: Array, by: Array | None) -> float:
        changed = self.rounded.values.copy()
        changed[rows] = self.floats.values[rows] if by is None else self.rounded.values[by]
        return self.reference - self.score(Column(changed), self.labels, self.all)


def auc(scores: Column, labels: Column, drawn: Array) -> float:
    """The share of pairs of a positive and another sample in which the positive one has the higher score."""
    often = drawn[scores.order]
    positive = often * labels.positive[scores.order]
    below = np.cumsum(often - positive)
    pairs = int(positive.sum()) * int(below[-1])
    return float(positive @ below) / pairs if pairs else float("nan")


def f1(scores: Column, labels: Column, drawn: Array) -> float:
    """Of the decisions scores > 0; NaN without any positive, wanted or decided."""
    hits, of = int(drawn @ (scores.positive & labels.positive)), int(drawn @ scores.positive + drawn @ labels.positive)
    return 2 * hits / of if of else float("nan")


def rank_correlation(scores: Column, labels: Column, drawn: Array) -> float:
    """Spearman's."""
    a, b = scores.ranks(drawn), labels.ranks(drawn)
    return float((drawn * a) @ b / np.sqrt(((drawn * a) @ a) * ((drawn * b) @ b)))


def classes(apart: float, noise: float, share: float, shift: float = 0.0) -> Draw:
    """Scores of two classes `apart` standard deviations apart; the second model adds noise and a shift."""

    def draw(rng: np.random.Generator, count: int) -> tuple[Array, Array, Array]:
        labels = (rng.random(count) < share).astype(np.float64)
        floats = apart * (labels - 0.5) + rng.normal(size=count)
        return floats, floats + noise * rng.normal(size=count) + shift, labels

    return draw


def numbers(correlation: float, noise: float) -> Draw:
    """Scores with that correlation to normal labels; the second model adds noise."""

    def draw(rng: np.random.Generator, count: int) -> tuple[Array, Array, Array]:
        labels = rng.normal(size=count)
        floats = correlation * labels + np.sqrt(1 - correlation**2) * rng.normal(size=count)
        return floats, floats + noise * rng.normal(size=count), labels

    return draw


SCORES = (
    Case("AUC 0.76, 1 of 5 positive", auc, classes(1.0, 0.5, 0.2)),
    Case("AUC 0.98", auc, classes(2.9, 0.3, 0.5)),
    Case("AUC 0.98 to 0.93", auc, classes(2.9, 1.0, 0.5)),
    Case("AUC 0.999", auc, classes(4.5, 0.3, 0.5)),
    Case("F1 0.27, 1 of 10 positive", f1, classes(1.0, 0.5, 0.1)),
    Case("F1 0.69", f1, classes(1.0, 1.0, 0.5)),
    Case("F1 0.93, threshold moved", f1, classes(2.9, 0.3, 0.5, -0.5)),
    Case("F1 0.99", f1, classes(5.0, 0.5, 0.5)),
    Case("rank correlation 0.3", rank_correlation, numbers(0.3, 0.3)),
    Case("rank correlation 0.9", rank_correlation, numbers(0.9, 0.1)),
    Case("rank correlation 0.9 to 0.8", rank_correlation, numbers(0.9, 0.5)),
    Case("rank correlation 0.999", rank_correlation, numbers(0.999, 0.02)),
)

# Paired differences: how they are drawn, their mean, and what a sample that is entirely wrong differs by.
MEANS: dict[str, tuple[Callable[[np.random.Generator, tuple[int, int]], Array], float, float]] = {
    "normal": (lambda rng, shape: 0.3 + rng.normal(size=shape), 0.3, 4.0),
    "uniform": (lambda rng, shape: rng.random(shape), 0.5, 1.0),
    "exponential": (lambda rng, shape: rng.exponential(size=shape), 1.0, 5.0),
    "lognormal, skewness 6.2": (lambda rng, shape: rng.lognormal(size=shape), float(np.exp(0.5)), 10.0),
    **{
        f"{share:.0%} differ, exponential": (
            lambda rng, shape, share=share: (rng.random(shape) < share) * rng.exponential(size=shape),
            share,
            4.0,
        )
        for share in (0.02, 0.1, 0.3)
    },
    "10% differ, either way": (
        lambda rng, shape: (rng.random(shape) < 0.1) * rng.exponential(size=shape) * rng.choice([-1, 1], shape),
        0.0,
        4.0,
    ),
}

# Chances that only the float model is right, and that only the quantized model is.
PROPORTIONS = (
    (0.001, 0.0), (0.01, 0.0), (0.05, 0.0), (0.3, 0.0), (0.8, 0.0), (0.95, 0.0), (0.99, 0.0), (0.01, 0.01),
    (0.05, 0.02), (0.1, 0.05), (0.3, 0.2), (0.02, 0.002),
)  # fmt: skip


def coverage_of_proportions(count: int, lost: float, gained: float) -> float:
    """Exact: the summed probabilities of the outcomes whose interval holds the true difference."""
    from scipy import stats

    most = min(count, int(count * (lost + gained) + 9 * np.sqrt(count * (lost + gained)) + 14))
    least = max(0, int(count * lost - 9 * np.sqrt(count * lost) - 14))
    a, b = (x.ravel() for x in np.meshgrid(np.arange(least, most + 1), np.arange(most + 1)))
    a, b = a[a + b <= count], b[a + b <= count]
    chance = stats.multinomial.pmf(np.stack([a, b, count - a - b], -1), count, [lost, gained, 1 - lost - gained])
    likely = chance > 1e-5
    ends = np.array([tango(int(x), int(y), count) for x, y in zip(a[likely], b[likely], strict=True)])
    holds = (ends[:, 0] <= lost - gained + 1e-9) & (lost - gained <= ends[:, 1] + 1e-9)
    return float(chance[likely] @ holds / chance[likely].sum())


def coverage_of_means(name: str, count: int, runs: int) -> float:
    """The share of `runs` sets of so many samples whose interval holds the true mean."""
    draw, truth, scale = MEANS[name]
    drawn = draw(np.random.default_rng(count), (runs, count))
    return _share([of_means(row, Groups(None, count), scale).ends for row in drawn], truth)


def coverage_of_scores(case: Case, count: int, runs: int) -> float:
    """The share of `runs` sets of so many samples, on which the score has a value, whose interval holds the drop."""
    rng, found = np.random.default_rng(count), []
    for run in range(runs):
        drop = Drop(case.score, *case.draw(rng, count))
        if np.isfinite(drop(None, None)):
            found.append(of_scores(drop, Groups(None, count), False, run).ends)
    return _share(found, _true_drop(case))


@cache
def _true_drop(case: Case) -> float:
    return Drop(case.score, *case.draw(np.random.default_rng(99), _POPULATION))(None, None)


def _share(found: list[tuple[float, float] | None], truth: float) -> float:
    """The share of intervals with the true value; one that could not be given claims nothing, and so holds it."""
    return float(np.mean([ends is None or ends[0] <= truth <= ends[1] for ends in found]))


def table(runs: int = 1000) -> str:
    """The measured coverage as rows of a Markdown table."""
    rows: list[tuple[str, list[float]]] = []
    for lost, gained in PROPORTIONS:
        shares = [coverage_of_proportions(n, lost, gained) for n in SAMPLES if n < 2000 or lost < 0.2]
        rows.append((f"proportion, {lost:g} lost, {gained:g} gained", shares))
    rows += [(f"mean, {name}", [coverage_of_means(name, n, runs) for n in SAMPLES]) for name in MEANS]
    rows += [(case.name, [coverage_of_scores(case, n, _runs(n, runs)) for n in SAMPLES]) for case in SCORES]
    texts = ([f"{100 * share:.1f}" for share in shares] + ["–"] * (len(SAMPLES) - len(shares)) for _, shares in rows)
    return "\n".join(f"| {name} | {' | '.join(cells)} |" for (name, _), cells in zip(rows, texts, strict=True))


def _runs(count: int, runs: int) -> int:
    return runs if count <= 50 else runs // 2
