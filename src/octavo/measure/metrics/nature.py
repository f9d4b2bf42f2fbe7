"""What an output is: class scores, probabilities, an embedding, a regression, or several of them side by side.

The operator that writes the output tells where it is a Softmax, Sigmoid or normalization; else the values of the
float model do. For raw scores it is how far the best stands out: of values without structure the gap between the first
and the second is at most twice the gap between the second and the third (A. Rényi, "On the theory of order statistics",
Acta Mathematica Hungarica 4 (1953): spacings of exponential tails are in the ratio 1 : 1/2), and less for a few values
with normal tails (G. Blom, "Statistical estimates and transformed beta-variables", 1958); of scores of a trained
classifier it is more. A weak classifier of few classes cannot be told from a regression by its values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from octavo.graph.producers import NORMALIZATION, SIGMOID, SOFTMAX

Kind = Literal["decisions", "rows", "classes", "probabilities", "embedding", "regression", "unsure"]
Columns = tuple[int, ...]

# How far sums of probabilities and lengths of unit vectors may be from 1.
_ONE = 1e-3
# The ratio of the first two gaps between sorted scores, relative to that of normal numbers, from which the best stands
# out, and up to which none does.
_STANDS_OUT, _DOES_NOT = 1.5, 1.2
# Fewer samples do not tell.
_FEW = 8
# Vectors from this length on are taken for embeddings.
_EMBEDDING = 16
# Columns whose sizes lie so far apart are not judged together; smaller ones than the second are rounding noise.
_APART, _NOTHING = 10.0, 1e-7
# So many values tell the size of a column, and more columns are positions.
_VALUES, _MOST_COLUMNS = 32, 1024


@dataclass(frozen=True)
class Nature:
    """What a part of an output is, and how that is known.

    Attributes:
        kind: what it is; "unsure" where nothing tells class scores from other numbers.
        why: how that is known, in a few words.
        axis: the axis of the classes; the samples are on axis 0.
        columns: the part's entries on axis `columns_axis`; empty for the whole output.
        columns_axis: the axis of the columns.
    """

    kind: Kind
    why: str
    axis: int = 1
    columns: Columns = ()
    columns_axis: int = 0

    def part(self, array: NDArray[Any]) -> NDArray[Any]:
        """The part of an output, one row per sample."""
        return array.take(self.columns, self.columns_axis) if self.columns else array


def natures(values: NDArray[Any], producer: str = "") -> list[Nature]:
    """What an output is: one part, or several where columns of very different size stand side by side.

    Args:
        values: the output of the float model for some samples, one row each.
        producer: type of the operator that writes it; empty where that is unknown.
    """
    if values.dtype.kind != "f":
        return [Nature("decisions", "it holds whole numbers")]
    finite = np.where(np.isfinite(values), values, 0)
    known = _by_producer(finite, producer) or _by_sums(finite)
    if known is not None:
        return [known]
    axis, groups = _columns(finite)
    if len(groups) < 2:
        return [_by_values(finite)]
    why = f"its columns differ in size by more than {_APART:g} times, so they are judged apart"
    parts = []
    for group in groups:
        own = _by_values(finite.take(group, axis))
        kind: Kind = "probabilities" if own.kind == "probabilities" else "regression"
        parts.append(Nature(kind, why, 1, group, axis))
    return parts


def without_unit_axes(values: NDArray[Any]) -> NDArray[Any]:
    """The values without axes of size one, except that of the samples."""
    return values.reshape(len(values), *(size for size in values.shape[1:] if size != 1))


def _by_producer(values: NDArray[Any], producer: str) -> Nature | None:
    if producer in SOFTMAX:
        axis = next((axis for axis in _axes(values) if _sums_to_one(values, axis)), None)
        return None if axis is None else Nature("classes", f"{producer} writes it", axis)
    if producer in SIGMOID:
        return Nature("probabilities", f"{producer} writes it")
    if producer in NORMALIZATION:
        return Nature("embedding", "it is normalized to length 1")
    return None


def _by_sums(values: NDArray[Any]) -> Nature | None:
    """Probabilities of classes and vectors of length 1."""
    for axis in _axes(values):
        if _sums_to_one(values, axis):
            return Nature("classes", "its values are probabilities that sum to 1", axis)
    rows = without_unit_axes(values)
    if rows.ndim == 2 and rows.shape[1] > 1:
        lengths = np.sqrt((rows.astype(np.float64) ** 2).sum(1))
        if bool((np.abs(lengths - 1) < _ONE).all()):
            return Nature("embedding", "its vectors have length 1")
    return None


def _by_values(values: NDArray[Any]) -> Nature:
    if values.size and values.min() >= 0 and values.max() <= 1 and values.max() > 0:
        return Nature("probabilities", "its values lie between 0 and 1 and do not sum to 1")
    rows = without_unit_axes(values)
    if rows.ndim == 1 or values.size == 0:
        return Nature("regression", "it is one number a sample")
    out, axis = max(((_standing_out(values, axis), axis) for axis in _axes(values)), default=(0.0, 1))
    if out >= _STANDS_OUT and len(values) >= _FEW:
        return Nature("classes", "its best score stands out as that of a trained classifier does", axis)
    if rows.ndim > 2:
        return Nature("regression", "its values have no form of class scores")
    if out > _DOES_NOT or len(values) < _FEW or rows.shape[1] < _EMBEDDING:
        return Nature("unsure", "its values do not tell class scores from other numbers", axis)
    return Nature("embedding", f"it is a vector of {rows.shape[1]} numbers of which none stands out")


def _axes(values: NDArray[Any]) -> Iterator[int]:
    """The axes that may hold classes: the last, and axis 1."""
    for axis in dict.fromkeys((values.ndim - 1, 1)):
        if 0 < axis < values.ndim and values.shape[axis] > 1:
            yield axis


def _sums_to_one(values: NDArray[Any], axis: int) -> bool:
    """Whether values, or their exponentials, are the probabilities of classes."""
    if values.size == 0:
        return False
    if values.max() <= 0 and values.min() < 0:
        values = np.exp(values)
    elif values.min() < 0 or values.max() > 1 + _ONE:
        return False
    return bool((np.abs(values.sum(axis, dtype=np.float64) - 1) < _ONE).all())


def _standing_out(values: NDArray[Any], axis: int) -> float:
    """The gap between the two best values along an axis over the gap to the third, relative to that of normal numbers.

    The smallest of the ratio of means, that of medians (a bright spot of a map stands out in few of its rows), and both
    of the values less their means over samples (one large entry in every vector stands out without being a class). 0
    where there are fewer than three values.
    """
    count = values.shape[axis]
    if count < 3:
        return 0.0
    best, second, third = (NormalDist().inv_cdf(1 - (i - 0.375) / (count + 0.25)) for i in (1, 2, 3))
    found = min(_gaps(each, axis) for each in (values, values - values.mean(0)))
    return found * (second - third) / (best - second)


def _gaps(values: NDArray[Any], axis: int) -> float:
    best = -np.partition(-np.moveaxis(values, axis, -1).astype(np.float64), (0, 1, 2), -1)[..., :3]
    first, second = (best[..., i] - best[..., i + 1] for i in (0, 1))
    pairs = [(float(middle(first)), float(middle(second))) for middle in (np.mean, np.median)]
    return min(one / two if two > 0 else 0.0 for one, two in pairs)


def _columns(values: NDArray[Any]) -> tuple[int, list[Columns]]:
    """The axis whose entries stand in runs of different size, and its entries in groups of like size."""
    for axis in range(values.ndim - 1, 0, -1):
        count = values.shape[axis]
        vectors = without_unit_axes(values).ndim == 2 and count >= _EMBEDDING
        if not 1 < count <= _MOST_COLUMNS or values.size < _VALUES * count or vectors:
            continue
        groups = _of_like_size(np.sqrt((values.astype(np.float64) ** 2).mean(_others(values, axis))))
        owner = {column: i for i, group in enumerate(groups) for column in group}
        borders = sum(owner[a] != owner[b] for a, b in pairwise(sorted(owner)))
        # Scattered channels of another size are no columns of another meaning.
        if len(groups) > 1 and borders <= len(groups):
            return axis, groups
    return 0, []


def _of_like_size(sizes: NDArray[np.float64]) -> list[Columns]:
    """Columns in groups between whose sizes is a gap, without those that hold nothing."""
    order = np.argsort(sizes)
    kept = order[sizes[order] > _NOTHING * sizes.max(initial=0.0)]
    gaps = [i for i, (a, b) in enumerate(pairwise(kept), 1) if sizes[b] > _APART * sizes[a]]
    groups = [tuple(sorted(kept[a:b].tolist())) for a, b in pairwise([0, *gaps, len(kept)])]
    return sorted(group for group in groups if group)


def _others(values: NDArray[Any], axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(values.ndim) if other != axis)
