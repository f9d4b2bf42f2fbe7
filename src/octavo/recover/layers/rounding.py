"""Round weights so that a layer's output errs least, not each weight by itself.

With inputs x in float and x^ as the integer model has them, the squared error of the output is quadratic in
the weights: (V - V*) G (V - V*)^T, where G = E[x^ x^T] and V* are the real weights that make the best of x^.
The grid's best is sought as in GPTQ (Frantar et al. 2023), column by column with the error passed on to
those not yet rounded, and then by coordinate descent, until no single weight can be improved: the objective
of AdaRound (Nagel et al. 2020, equation 21) without its relaxation, and not bound to the two neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_BLOCK = 128
_SWEEPS = 4
# GPTQ's one percent of the mean diagonal.
_DAMPING = 0.01
_SHRINKS = np.linspace(0.5, 1.0, 26)


@dataclass(frozen=True)
class Quadratic:
    """The error of a layer's output as a function of its weights.

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
        x: the rows that the layer gets in float, (groups, rows, terms).
        x_hat: the same rows in the integer model.
        centered: a bias takes up what the mean of the rows contributes.
    """
    a, b = x.astype(np.float64), x_hat.astype(np.float64)
    if centered:
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    rows = b.shape[1]
    turned = b.transpose(0, 2, 1)
    gram, cross = turned @ b / rows, turned @ a / rows
    terms = gram.shape[-1]
    damping = _DAMPING * np.trace(gram, axis1=1, axis2=2) / terms
    ridge = np.maximum(damping, np.finfo(np.float32).tiny)[:, None, None] * np.eye(terms)
    # (G + r) V*^T = (E[x^ x^T] + r) W^T: what the data do not tell stays at W.
    center = np.linalg.solve(gram + ridge, (cross + ridge) @ weights.transpose(0, 2, 1)).transpose(0, 2, 1)
    return Quadratic(np.ascontiguousarray(center), gram + ridge)


def best_scales(weights: Doubles, gram: Doubles, scale: Doubles, qmin: int, qmax: int, block: int) -> Doubles:
    """Scales at most those given, that err least when each weight is rounded by itself.

    The error of a term counts by its input's mean square, the diagonal of `gram`.

    Args:
        weights: (groups, channels, terms).
        gram: (groups, terms, terms).
        scale: of each weight, (groups, channels, terms).
        qmin, qmax: the ends of the grid.
        block: neighbouring terms that share a scale.
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
    """Integers (groups, channels, terms), column by column.

    Args:
        target: the error to make small.
        scale: of each weight, (groups, channels, terms).
        qmin, qmax: the ends of the grid.
    """
    inverse = np.linalg.inv(target.gram)
    upper = np.linalg.cholesky(inverse).transpose(0, 2, 1)
    left = target.center.copy()
    q = np.empty_like(left)
    terms = left.shape[-1]
    for start in range(0, terms, _BLOCK):
        stop = min(start + _BLOCK, terms)
        errors = np.empty((*left.shape[:2], stop - start))
        for k in range(start, stop):
            q[..., k] = np.clip(np.rint(left[..., k] / scale[..., k]), qmin, qmax)
            error = (left[..., k] - q[..., k] * scale[..., k]) / upper[:, None, k, k]
            left[..., k:stop] -= error[..., None] * upper[:, None, k, k:stop]
            errors[..., k - start] = error
        left[..., stop:] -= errors @ upper[:, start:stop, stop:]
    return q


def descend(target: Quadratic, q: Doubles, scale: Doubles, qmin: int, qmax: int) -> Doubles:
    """Integers from which no single step on the grid errs less, or as far as a few sweeps come."""
    q = q.copy()
    diagonal = np.diagonal(target.gram, axis1=1, axis2=2)
    for _ in range(_SWEEPS):
        before = q.copy()
        for start in range(0, q.shape[-1], _BLOCK):
            stop = min(start + _BLOCK, q.shape[-1])
            columns = target.gram[:, :, start:stop]
            slope = (q * scale - target.center) @ columns
            for k in range(start, stop):
                wanted = q[..., k] - slope[..., k - start] / (diagonal[:, None, k] * scale[..., k])
                new = np.clip(np.rint(wanted), qmin, qmax)
                change = (new - q[..., k]) * scale[..., k]
                slope += change[..., None] * columns[:, None, k, :]
                q[..., k] = new
        if np.array_equal(before, q):
            break
    return q


def best_integers(target: Quadratic, scale: Doubles, qmin: int, qmax: int) -> Doubles:
    """For each channel the better descent: from what GPTQ gives, or from nearest rounding of V*."""
    nearest = np.clip(np.rint(target.center / scale), qmin, qmax)
    starts = (gptq(target, scale, qmin, qmax), nearest)
    one, two = (descend(target, start, scale, qmin, qmax) for start in starts)
    better = _errors(target, one, scale) <= _errors(target, two, scale)
    return np.where(better[..., None], one, two)


def refit(target: Quadratic, q: Doubles, scale: Doubles) -> Doubles:
    """The scales (groups, channels, terms), equal along terms, that suit the integers best; silent ones stay."""
    weighed = q @ target.gram
    below = (weighed * q).sum(axis=-1)
    found = (weighed * target.center).sum(axis=-1) / np.where(below > 0, below, 1.0)
    # Integers that round another way would be fitted by a scale far off: stay within a quarter.
    return np.where(below[..., None] > 0, np.clip(found[..., None], 0.75 * scale, 1.25 * scale), scale)


def error(target: Quadratic, q: Doubles, scale: Doubles) -> float:
    """Mean squared error of the output, but for what no weights can mend."""
    return float(_errors(target, q, scale).sum())


def _errors(target: Quadratic, q: Doubles, scale: Doubles) -> Doubles:
    """Of each channel, (groups, channels)."""
    apart = q * scale - target.center
    return np.asarray(((apart @ target.gram) * apart).sum(axis=-1))
