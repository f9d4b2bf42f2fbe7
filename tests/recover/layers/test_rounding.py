"""Rounding by output error: never worse than round to nearest, and at a local minimum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.recover.layers.rounding import Quadratic, best_integers, best_scales, descend, error, gptq, quadratic, refit

QMIN, QMAX = -7, 7


def scales(weights: np.ndarray, block: int | None = None) -> np.ndarray:
    """The scale of each weight, per channel or per block."""
    terms = weights.shape[-1]
    block = block or terms
    most = np.maximum.reduceat(np.abs(weights), np.arange(0, terms, block), axis=-1)
    return np.repeat(most, block, axis=-1)[..., :terms] / QMAX


def problem(
    seed: int, groups: int, channels: int, terms: int, block: int | None = None
) -> tuple[Quadratic, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(groups, channels, terms))
    mix = rng.normal(size=(groups, terms, terms))
    rows = (rng.normal(size=(groups, 4 * terms + 8, terms)) @ mix).astype(np.float32)
    return quadratic(weights, rows, rows, False), weights, scales(weights, block)


sizes = st.tuples(
    st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 5), st.integers(1, 140), st.sampled_from([None, 16])
)


@given(sizes)
def test_never_worse_than_nearest(size: tuple[int, int, int, int, int | None]) -> None:
    target, weights, scale = problem(*size)
    nearest = np.clip(np.rint(weights / scale), QMIN, QMAX)
    center = np.clip(np.rint(target.center / scale), QMIN, QMAX)
    best = best_integers(target, scale, QMIN, QMAX)
    assert error(target, best, scale) <= error(target, center, scale) * (1 + 1e-9) + 1e-12
    descended = descend(target, nearest, scale, QMIN, QMAX)
    assert error(target, descended, scale) <= error(target, nearest, scale) * (1 + 1e-9) + 1e-12
    for q in (descended, best, gptq(target, scale, QMIN, QMAX)):
        assert np.array_equal(q, np.clip(np.rint(q), QMIN, QMAX))


def test_no_single_step_reduces_the_error() -> None:
    target, _, scale = problem(1, 2, 3, 12)
    q = descend(target, gptq(target, scale, QMIN, QMAX), scale, QMIN, QMAX)
    best = error(target, q, scale)
    for index in np.ndindex(q.shape):
        for step in (-1, 1):
            tried = q.copy()
            tried[index] = np.clip(q[index] + step, QMIN, QMAX)
            assert error(target, tried, scale) >= best - 1e-9


def test_correlated_inputs_allow_much_smaller_errors() -> None:
    """Errors of correlated inputs can cancel: at most a tenth of the error of round to nearest."""
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(1, 400, 2)) @ rng.normal(size=(1, 2, 32))).astype(np.float32)
    weights = rng.normal(size=(1, 4, 32))
    scale = scales(weights)
    target = quadratic(weights, rows, rows, False)
    nearest = np.clip(np.rint(weights / scale), QMIN, QMAX)
    q = descend(target, gptq(target, scale, QMIN, QMAX), scale, QMIN, QMAX)
    assert error(target, q, scale) < 0.1 * error(target, nearest, scale)


@given(st.integers(0, 1000))
def test_a_refitted_scale_never_increases_the_error(seed: int) -> None:
    target, weights, scale = problem(seed, 1, 3, 9)
    q = np.clip(np.rint(weights / scale), QMIN, QMAX)
    assert error(target, q, refit(target, q, scale)) <= error(target, q, scale) + 1e-9


def test_errors_of_the_integer_input_are_compensated() -> None:
    """If the integer model halves an input, the optimal weights are twice as large."""
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(1, 2000, 6)).astype(np.float32), rng.normal(size=(1, 3, 6))
    objective = quadratic(weights, x, x / 2, True)
    assert objective.center == pytest.approx(2 * weights, rel=0.05)


@given(st.integers(0, 1000), st.sampled_from([4, 16, 40]))
def test_smaller_scales_are_chosen_per_block_if_they_reduce_the_error(seed: int, block: int) -> None:
    target, weights, scale = problem(seed, 2, 3, 40, block)
    chosen = best_scales(weights, target.gram, scale, QMIN, QMAX, block)
    size = np.diagonal(target.gram, axis1=1, axis2=2)[:, None, :]
    starts = np.arange(0, 40, block)

    def errors(candidate: np.ndarray) -> np.ndarray:
        q = np.clip(np.rint(weights / candidate), QMIN, QMAX)
        return np.add.reduceat((q * candidate - weights) ** 2 * size, starts, axis=-1)

    assert (errors(chosen) <= errors(scale)).all()
    assert (chosen <= scale).all()
    assert all(np.ptp(chosen[..., i : i + block], axis=-1).max() == 0 for i in starts)
