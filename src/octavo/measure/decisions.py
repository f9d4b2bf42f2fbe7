"""The share of a model's decisions that are those of the float model."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data import Arrays

_LABELS = "labels"


class Decisions:
    """Counts, over batches, how many decisions of two models are the same.

    Decisions are integer and boolean outputs, the best class where the labels are integers (one score per class on
    axis 1), and the side of a single score where the labels are 0 and 1: of 0.5 if all scores of the float model lie
    between 0 and 1, else of 0. Other outputs, such as embeddings and regressions, hold none.
    """

    def __init__(self) -> None:
        # By output: decisions in all, and the same at either threshold.
        self._counts: dict[str, NDArray[np.int64]] = {}
        self._without: set[str] = set()
        self._probabilities: dict[str, bool] = {}

    def add(self, floats: Arrays, rounded: Arrays, reference: Arrays) -> None:
        """Count a batch; all arrays have one row per sample."""
        labels = reference.get(_LABELS)
        for name in floats.keys() & rounded.keys():
            same = _same(floats[name], rounded[name], labels)
            if same is None:
                self._without.add(name)
                continue
            unit = bool(((floats[name] >= 0) & (floats[name] <= 1)).all())
            self._probabilities[name] = self._probabilities.get(name, True) and unit
            counts = np.array([same[0].size, *(np.count_nonzero(each) for each in same)])
            self._counts[name] = self._counts.get(name, np.zeros(3, np.int64)) + counts

    def agreement(self) -> float | None:
        """The share, from 0 to 1, of the output whose decisions agree least; None where there are no decisions."""
        shares = [
            float(counts[1 if self._probabilities[name] else 2] / counts[0])
            for name, counts in self._counts.items()
            if name not in self._without and counts[0]
        ]
        return min(shares, default=None)


def _same(
    floats: NDArray[Any], rounded: NDArray[Any], labels: NDArray[Any] | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Where decisions are the same, with single scores compared with 0.5 and with 0; None where there are none."""
    if floats.shape != rounded.shape:
        return None
    if floats.dtype.kind in "iub":
        return (floats == rounded,) * 2
    if labels is None or labels.dtype.kind not in "iub" or not labels.size or floats.ndim == 0:
        return None
    low, high = int(labels.min()), int(labels.max())
    if floats.ndim > 1 and floats.shape[1] > 1 and labels.size == len(floats) * prod(floats.shape[2:]):
        return (floats.argmax(1) == rounded.argmax(1),) * 2 if low >= 0 and high < floats.shape[1] else None
    if floats.size == labels.size and low >= 0 and high <= 1:
        return (floats > 0.5) == (rounded > 0.5), (floats > 0) == (rounded > 0)
    return None
