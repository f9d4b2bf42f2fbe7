"""Round weights to minimize the error of a layer's output, instead of the error of each weight.

With inputs x in the float model and x^ in the quantized model, the squared error of the output is quadratic in the
weights: (V - V*) G (V - V*)^T, where G = E[x^ x^T] and V* are the real weights with the smallest error for x^.
It is minimized over the grid first as in GPTQ (Frantar et al. 2023), column by column with the error compensated by
the columns not yet rounded, then by coordinate descent until no single weight can be improved: the objective of
AdaRound (Nagel et al. 2020, equation 21) without its relaxation, and not limited to the two neighbouring integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_BLOCK = 128
_SWEEPS = 4
# As in GPTQ: one percent of the mean diagonal.
_DAMPING = 0.01
_SHRINKS = np.linspace(0.5, 1.0, 26)


@dataclass(frozen=True)
class Quadratic:
    """The squared error of a layer's output as a function of its weights.

    Attributes:
        center: V*, (groups, channels, terms).
        gram: G, damped, (groups, terms, terms).
    """

    center: Doubles
    gram: Doubles


def quadratic(weights: Doubles, x: NDArray[np.float32], x_hat: NDArray[np.float32], centered: bool) -> Quadratic:
    """The error of `x_hat V^T` against `x W^T`.

    Args:
        weights: W, (groups, channels, terms).
        x: rows of the input in the float model, (groups, rows, terms).
        x_hat: the same rows in the quantized model.
        centered: subtract the mean of the rows, whose contribution a bias can hold.
    """
    a, b = x.astype(np.float64), x_hat.astype(np.float64)
    if centered:
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    rows = b.shape[1]
    transposed = b.transpose(0, 2, 1)
    gram, cross = transposed @ b / rows, transposed @ a / rows
    terms = gram.shape[-1]
    damping = _DAMPING * np.trace(gram, axis1=1, axis2=2) / terms
    ridge = np.maximum(damping, np.finfo(np.float32).tiny)[:, None, None] * np.eye(terms)
    # (G + r) V*^T = (E[x^ x^T] + r) W^T: directions without data stay at W.
    center = np.linalg.solve(gram + ridge, (cross + ridge) @ weights.transpose(0, 2, 1)).transpose(0, 2, 1)
    return Quadratic(np.ascontiguousarray(center), gram + ridge)


def best_scales(weights: Doubles, gram: Doubles, scale: Doubles, qmin: int, qmax: int, block: int) -> Doubles:
    """The scales, at most `scale`, with the smallest error of round-to-nearest.

    The error of a term is weighted by the mean square of its input, the diagonal of `gram`.

    Args:
        weights: (groups, channels, terms).
        gram: (groups, terms, terms).
        scale: the scale of each weight, (groups, channels, terms).
        qmin, qmax: the bounds of the grid.
        block: number of adjacent terms that share a scale.
    """
    size = np.diagonal(gram, axis1=1, axis2=2)[:, None, :]
    starts = np.arange(0, weights.shape[-1], block)
    best, least = scale, np.full((*weights.shape[:2], starts.size), np.inf)
    for shrink in _SHRINKS[::-1]:
        tried = scale * shrink
        q = np.clip(np.rint(weights / tried), qmin, qmax)
        error = np.add.reduceat((q * tried - weights) ** 2 * size, starts, axis=-1)
        better = np.repeat(error < least, block, axis=-1)[..., : weights.shape[-1]]
        best, least = np.where(better, tried, best), np.minimum(error, least)
    return best


def gptq(target: Quadratic, scale: Doubles, qmin: int, qmax: int) -> Doubles:
    """Round column by column as GPTQ does; returns integers (groups, channels, terms).

    Args:
        target: the error to minimize.
        scale: the scale of each weight, (groups, channels, terms).
        qmin, qmax: the bounds of the grid.
    """
    inverse = np.linalg.inv(target.gram)
    upper = np.linalg.cholesky(inverse).transpose(0, 2, 1)
    remaining = target.center.copy()
    q = np.empty_like(remaining)
    terms = remaining.shape[-1]
    for start in range(0, terms, _BLOCK):
        stop = min(start + _BLOCK, terms)
        errors = np.empty((*remaining.shape[:2], stop - start))
        for k in range(start, stop):
            q[..., k] = np.clip(np.rint(remaining[..., k] / scale[..., k]), qmin, qmax)
            error = (remaining[..., k] - q[..., k] * scale[..., k]) / upper[:, None, k, k]
            remaining[..., k:stop] -= error[..., None] * upper[:, None, k, k:stop]
            errors[..., k - start] = error
        remaining[..., stop:] -= errors @ upper[:, start:stop, stop:]
    return q


def descend(target: Quadratic, q: Doubles, scale: Doubles, qmin: int, qmax: int) -> Doubles:
    """Coordinate descent on the grid from `q`, until no single weight can be improved or a few sweeps are done."""
    q = q.copy()
    diagonal = np.diagonal(target.gram, axis1=1, axis2=2)
    for _ in range(_SWEEPS):
        before = q.copy()
        for start in range(0, q.shape[-1], _BLOCK):
            stop = min(start + _BLOCK, q.shape[-1])
            columns = target.gram[:, :, start:stop]
            slope = (q * scale - target.center) @ columns
            for k in range(start, stop):
                optimum = q[..., k] - slope[..., k - start] / (diagonal[:, None, k] * scale[..., k])
                new = np.clip(np.rint(optimum), qmin, qmax)
                change = (new - q[..., k]) * scale[..., k]
                slope += change[..., None] * columns[:, None, k, :]
                q[..., k] = new
        if np.array_equal(before, q):
            break
    return q


def best_integers(target: Quadratic, scale: Doubles, qmin: int, qmax: int) -> Doubles:
    """Coordinate descent from the result of GPTQ and from round-to-nearest of V*; the better one per channel."""
    nearest = np.clip(np.rint(target.center / scale), qmin, qmax)
    starts = (gptq(target, scale, qmin, qmax), nearest)
    one, two = (descend(target, start, scale, qmin, qmax) for start in starts)
    better = _errors(target, one, scale) <= _errors(target, two, scale)
    return np.where(better[..., None], one, two)


def refit(target: Quadratic, q: Doubles, scale: Doubles) -> Doubles:
    """The scales with the smallest error for integers `q`, equal along terms; channels of zeros keep theirs."""
    weighted = q @ target.gram
    power = (weighted * q).sum(axis=-1)
    best = (weighted * target.center).sum(axis=-1) / np.where(power > 0, power, 1.0)
    # Integers far from the weights would be fitted by a scale far off: stay within a quarter.
    return np.where(power[..., None] > 0, np.clip(best[..., None], 0.75 * scale, 1.25 * scale), scale)


def error(target: Quadratic, q: Doubles, scale: Doubles) -> float:
    """Mean squared error of the output, minus the part that no weights can remove."""
    return float(_errors(target, q, scale).sum())


def _errors(target: Quadratic, q: Doubles, scale: Doubles) -> Doubles:
    """The error of each channel, (groups, channels)."""
    difference = q * scale - target.center
    return np.asarray(((difference @ target.gram) * difference).sum(axis=-1))
