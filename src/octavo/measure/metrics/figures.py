"""Agreement with the float model, by the figure that fits an output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.measure.metrics.metric import Doubles
from octavo.measure.metrics.nature import Kind, Nature, natures

Array = NDArray[Any]

# Rows that a model selects (boxes) are the same where they differ by less than this share of their length.
_SAME_ROW = 0.1
_ROWS = Nature("rows", "how many rows it has depends on the data")


@dataclass(frozen=True)
class Figure:
    """How a part of an output is compared with the float model's.

    Attributes:
        nature: what the part is.
        title: the figure in words.
        compare: (quantized, float), one row per sample each -> one number per sample, in points; where there is a
            `size`, an error.
        size: float -> one number per sample. The value of a sample is then 100 · (1 - error / mean size), at least 0.
    """

    nature: Nature
    title: str
    compare: Callable[[Array, Array], Doubles]
    size: Callable[[Array], Doubles] | None = None

    @property
    def of_error(self) -> bool:
        """Whether it is an error of real numbers, which no quantized model makes zero."""
        return self.size is not None or self.nature.kind == "embedding"


def figures(values: Array | None, producer: str = "") -> list[Figure]:
    """The figures that fit an output, one for each of its parts.

    Args:
        values: the float model's output for some samples, one row each; None where samples differ in shape.
        producer: type of the operator that writes the output; empty where that is unknown.
    """
    found = [_ROWS] if values is None else natures(values, producer)
    return [_figure(nature) for nature in found]


def points(errors: Doubles, mean_size: float) -> Doubles:
    """Relative errors in points: 100 · (1 - error / mean size), at least 0, of float64 numbers."""
    if mean_size <= 0.0:
        return np.where(errors > 0, 0.0, 100.0)
    return np.maximum(100.0 * (1.0 - errors / mean_size), 0.0)


def decided(nature: Nature, array: Array) -> Array | None:
    """The decisions that a part of an output stands for: the best class, or the side of 0.5; None where none."""
    if nature.kind in ("classes", "unsure"):
        return np.asarray(array.argmax(nature.axis))
    return array > 0.5 if nature.kind == "probabilities" else None


def cosines(x: Array, y: Array) -> Doubles:
    """Cosine similarity of each row; 1 where both are zero."""
    a, b = _rows(x), _rows(y)
    norms = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    both_zero = (a == 0).all(1) & (b == 0).all(1)
    return np.where(both_zero, 1.0, (a * b).sum(1) / np.where(norms == 0, 1.0, norms))


def matched_rows(quantized: Array, floats: Array) -> list[tuple[int, int]]:
    """Pairs of a row of the quantized and the nearest of the float model, within a tenth of its length.

    Args:
        quantized: rows that the quantized model selected for one sample.
        floats: rows that the float model selected for the same sample.
    """
    if not _row_count(quantized) or not _row_count(floats) or quantized.shape[1:] != floats.shape[1:]:
        return []
    a, b = _rows(quantized), _rows(floats)
    free, pairs = np.ones(len(a), np.bool_), []
    for row, limit in enumerate(_SAME_ROW * np.sqrt((b * b).sum(1))):
        distances = np.where(free, np.sqrt(((a - b[row]) ** 2).sum(1)), np.inf)
        nearest = int(distances.argmin())
        if distances[nearest] <= limit:
            free[nearest] = False
            pairs.append((nearest, row))
    return pairs


def _figure(nature: Nature) -> Figure:
    title, compare, size = _FIGURES[nature.kind]
    own = None if size is None else lambda floats: size(nature.part(_known(floats)))

    def apart(quantized: Array, floats: Array) -> Doubles:
        if quantized.shape != floats.shape:
            return np.full(len(floats), 0.0) if own is None else own(floats)
        if floats.dtype.kind == "f":  # as in calibration, what the float model does not know is no error
            quantized, floats = np.where(np.isfinite(floats), quantized, 0), _known(floats)
        return compare(nature, nature.part(quantized), nature.part(floats))

    return Figure(nature, title, _same_rows if nature.kind == "rows" else apart, own)


def _same_classes(nature: Nature, quantized: Array, floats: Array) -> Doubles:
    return _shares(quantized.argmax(nature.axis) == floats.argmax(nature.axis))


def _equal(nature: Nature, quantized: Array, floats: Array) -> Doubles:
    return _shares(quantized == floats)


def _cosine(nature: Nature, quantized: Array, floats: Array) -> Doubles:
    return cosines(quantized, floats) * 100.0


def _distances(nature: Nature, quantized: Array, floats: Array) -> Doubles:
    return _lengths(_rows(quantized) - _rows(floats))


def _absolute(nature: Nature, quantized: Array, floats: Array) -> Doubles:
    return _sums(_rows(quantized) - _rows(floats))


def _lengths(floats: Array) -> Doubles:
    rows = _rows(floats)
    return np.asarray(np.sqrt((rows * rows).sum(1)))


def _sums(floats: Array) -> Doubles:
    return np.asarray(np.abs(_rows(floats)).sum(1))


def _shares(same: NDArray[np.bool_]) -> Doubles:
    same = same.reshape(len(same), -1)
    return 100.0 * same.mean(1, dtype=np.float64) if same.shape[1] else np.full(len(same), 100.0)


def _same_rows(quantized: Array, floats: Array) -> Doubles:
    return np.array([_rows_found(one, two) for one, two in zip(quantized, floats, strict=True)])


def _rows_found(quantized: Array, floats: Array) -> float:
    """Rows that both have, twice over the number of all rows, in points; 100 where neither has any."""
    count = _row_count(quantized) + _row_count(floats)
    return 200.0 * len(matched_rows(quantized, floats)) / count if count else 100.0


def _row_count(array: Array) -> int:
    return len(array) if array.ndim and array.size else 0


def _known(floats: Array) -> Array:
    """The values with zeros for NaN and infinity."""
    return np.where(np.isfinite(floats), floats, 0)


def _rows(x: Array) -> Doubles:
    return x.reshape(len(x), int(np.prod(x.shape[1:]))).astype(np.float64)


_Compare = Callable[[Nature, Array, Array], Doubles]
_RELATIVE = ("relative error of the whole", _distances, _lengths)
_FIGURES: Mapping[Kind, tuple[str, _Compare, Callable[[Array], Doubles] | None]] = {
    "decisions": ("equal values", _equal, None),
    "rows": ("rows that both models have", _equal, None),
    "classes": ("top-1 agreement", _same_classes, None),
    "probabilities": ("absolute error relative to the sum of the probabilities", _absolute, _sums),
    "embedding": ("cosine", _cosine, None),
    "regression": _RELATIVE,
    "unsure": _RELATIVE,
}
