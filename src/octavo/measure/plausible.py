"""Whether the float model itself works on the data: a doubt that comes before any verdict."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data import Arrays
from octavo.measure.metrics import Metric
from octavo.measure.metrics.metric import Doubles

Array = NDArray[Any]

_ADVICE = (
    "before any verdict, check that preprocessing (scale, mean, standard deviation), channel order and label order are "
    "those that the float model was trained with"
)
_Z = 1.959964
# Fewer samples do not tell chance from skill.
_FEW = 20
# Channels of images, and the length from which a signal is taken for sound.
_CHANNELS, _SOUND = (1, 3, 4), 1000
# No image or sound is stored in larger numbers, and none spans less than this after any usual scaling.
_LARGEST, _NARROWEST = 1e5, 0.02
_SAME = 1e-5


class Plausible:
    """Sees the inputs and the float model's outputs of all samples."""

    def __init__(self) -> None:
        self._inputs: dict[str, tuple[str, float, float]] = {}
        self._first: dict[str, Array] = {}
        self._varying: set[str] = set()
        self._samples = 0

    def add(self, inputs: Arrays, floats: Arrays) -> None:
        """Add a batch of inputs and of the float model's outputs, {name: array}, one row per sample."""
        for name, array in inputs.items():
            kind = _kind(array)
            if kind and array.size:
                _, low, high = self._inputs.get(name, (kind, np.inf, -np.inf))
                self._inputs[name] = kind, min(low, float(array.min())), max(high, float(array.max()))
        for name, array in floats.items():
            if name not in self._varying and not _alike(array, self._first.setdefault(name, array[:1].copy())):
                self._varying.add(name)
        self._samples += len(next(iter(inputs.values())))

    def doubt(self, metric: Metric, values: Doubles | float, output: str, reference: Arrays, classes: int) -> list[str]:
        """One warning that names all reasons to doubt the float model on these data; none without reasons.

        Args:
            metric: the metric.
            values: its value of the float model for each sample, or the one for all.
            output: the output that it reads; empty for all of them.
            reference: the reference arrays.
            classes: number of classes of that output.
        """
        reasons = [*_chance(metric, values, reference, classes), *self._constant(output), *self._strange()]
        return [f"{'; '.join(reasons)}; {_ADVICE}"] if reasons else []

    def _constant(self, output: str) -> list[str]:
        names = [output] if output else list(self._first)
        if self._samples < 2 or not names or set(names) & self._varying or names[0] not in self._first:
            return []
        which = " and ".join(f"output '{name}'" for name in names)
        return [f"{which} of the float model is the same for all {self._samples} samples"]

    def _strange(self) -> list[str]:
        found = []
        for name, (kind, low, high) in self._inputs.items():
            if max(-low, high) > _LARGEST or high - low < _NARROWEST:
                found.append(f"input '{name}', by its shape {kind}, lies between {low:.3g} and {high:.3g}")
        return found


def _chance(metric: Metric, values: Doubles | float, reference: Arrays, classes: int) -> list[str]:
    labels = reference.get("labels")
    if labels is None or not labels.size or labels.dtype.kind not in "iu" or len(labels) < _FEW:
        return []
    if metric.of_classes and isinstance(values, np.ndarray) and labels.size == len(values):
        _, counts = np.unique(labels, return_counts=True)
        by_chance = 100.0 * (5 if metric.name == "top5" else 1) / max(classes, 1)
        frequent = 100.0 * float(counts.max()) / labels.size if metric.name == "top1" and len(counts) > 1 else 0.0
        found, chance = float(values.mean()), max(by_chance, frequent)
        if chance < 100.0 and _lower(found / 100.0, len(values)) * 100.0 <= chance:
            what = "the most frequent label" if frequent > by_chance else f"chance among {classes} classes"
            return [f"{metric.name} of the float model is {found:.2f}, no better than {what} ({chance:.2f})"]
    if metric.name == "auc" and isinstance(values, float):
        ones = int((labels == 1).sum())
        zeros = labels.size - ones
        reach = 100.0 * _Z * sqrt((labels.size + 1) / (12 * max(ones * zeros, 1)))
        if values - reach <= 50.0:
            return [f"auc of the float model is {values:.2f}, no better than chance (50.00)"]
    return []


def _lower(share: float, count: int) -> float:
    """The lower end of Wilson's 95% interval of a share."""
    z = _Z * _Z / count
    return (share + z / 2 - _Z * sqrt(share * (1 - share) / count + z / (4 * count))) / (1 + z)


def _kind(array: Array) -> str:
    """What an input is by its shape: "an image", "a sound", or empty."""
    if array.dtype.kind != "f":
        return ""
    if array.ndim == 4 and (array.shape[1] in _CHANNELS or array.shape[3] in _CHANNELS) and array[0].size >= 64:
        return "an image"
    return "a sound" if array.ndim in (2, 3) and array.shape[-1] >= _SOUND and array[0].size == array.shape[-1] else ""


def _alike(array: Array, first: Array) -> bool:
    if array.shape[1:] != first.shape[1:]:
        return False
    if array.dtype.kind != "f":
        return bool((array == first).all())
    reach = _SAME * float(np.abs(first[np.isfinite(first)]).max(initial=0.0))
    return bool(np.allclose(array, first, rtol=0.0, atol=reach, equal_nan=True))
