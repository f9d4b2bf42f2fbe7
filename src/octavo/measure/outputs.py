"""The error of every output of the quantized model against the float model, accumulated over batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data import Arrays
from octavo.measure.decibels import decibels
from octavo.measure.metrics.figures import Figure, decided, figures, matched_rows, points
from octavo.measure.metrics.metric import Doubles
from octavo.measure.neighbours import Neighbours

Array = NDArray[Any]

# An output is much worse than another that keeps so many dB more, if it keeps less than the second number; below the
# third it is lost.
_WORSE, _LOW, _LOST = 10.0, 25.0, 15.0
_PERCENT = 100.0
# So many values are compared at once, which bounds the memory that maps take in float64.
_VALUES = 1 << 22


@dataclass(frozen=True)
class OutputFigure:
    """The error of one output, or of columns of it that are judged apart.

    Attributes:
        name: name of the output.
        part: which columns; empty for the whole output.
        figure: the figure of agreement with the float model that fits it, in words.
        why: why that figure fits.
        value: agreement with the float model by that figure, in points; NaN where the outputs are.
        sqnr_db: signal-to-quantization-noise ratio.
        cosine: cosine similarity over all samples.
        worst_db: the mean signal of a sample over the noise of the sample with the largest error.
        worst_sample: which sample that is, counted from 0.
        details: further figures that fit it, as sentences without a full stop.
    """

    name: str
    part: str
    figure: str
    why: str
    value: float
    sqnr_db: float
    cosine: float
    worst_db: float
    worst_sample: int
    details: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The output and its part in words."""
        return _title(self.name, self.part)


class OutputPart:
    """Accumulates the errors of one output, or of a part of it, over batches of samples.

    Args:
        name: name of the output.
        figure: how the part is compared.

    Attributes:
        signal, noise: sums of squares of the float model's values, and of the errors.
    """

    def __init__(self, name: str, figure: Figure) -> None:
        self.name, self.figure = name, figure
        self.part = _columns(figure.nature.columns)
        self._numbers: list[Doubles] = []
        self._sizes: list[Doubles] = []
        self._moved = 0.0
        self.signal = self.noise = self._other = self._product = 0.0
        self._worst, self._worst_sample, self._samples, self._differ = 0.0, 0, 0, 0
        self._decisions = self._same = 0
        self._largest = 0.0
        self._neighbours = Neighbours() if figure.nature.kind == "embedding" else None

    def add(self, floats: Arrays, rounded: Arrays) -> None:
        """Add a batch of outputs, {name: array}, one row per sample."""
        expected, quantized = floats[self.name], rounded[self.name]
        rows = max(1, _VALUES // max(expected[:1].size, 1))
        for start in range(0, len(expected), rows):
            self._add(expected[start : start + rows], quantized[start : start + rows])

    def values(self) -> Doubles:
        """The agreement of each sample with the float model, in points."""
        numbers = np.concatenate(self._numbers)
        return points(numbers, self._mean_size()) if self._sizes else numbers

    @property
    def title(self) -> str:
        """The output and its part in words."""
        return _title(self.name, self.part)

    @property
    def value(self) -> float:
        """The mean agreement with the float model, in points."""
        return float(self.values().mean())

    @property
    def exchanged(self) -> float:
        """How far, in points, the agreement of a sample moves at most if it gets the outputs of another."""
        size = self._mean_size()
        return min(_PERCENT * self._moved / size, _PERCENT) if size > 0.0 else self._moved

    def result(self) -> OutputFigure:
        """All figures."""
        both = sqrt(self.signal * self._other)
        alike = self._product / both if both > 0 else float(self.signal == self._other)
        mean = self.signal / max(self._samples, 1)
        return OutputFigure(
            name=self.name,
            part=self.part,
            figure=self.figure.title,
            why=self.figure.nature.why,
            value=self.value,
            sqnr_db=decibels(self.signal, self.noise),
            cosine=alike if isfinite(alike) else 0.0,
            worst_db=decibels(mean, self._worst),
            worst_sample=self._worst_sample,
            details=tuple(self._details()),
        )

    def _add_matched(self, floats: Array, rounded: Array) -> None:
        """Add the errors of the rows that both models have."""
        self._differ += len(floats) if floats.shape != rounded.shape else 0
        for expected, quantized in zip(floats, rounded, strict=True):
            pairs = matched_rows(quantized, expected)
            if pairs:
                first, second = (list(rows) for rows in zip(*pairs, strict=True))
                self._add_errors(expected[second][None], quantized[first][None])

    def _add(self, expected: Array, quantized: Array) -> None:
        self._numbers.append(self.figure.compare(quantized, expected))
        if self.figure.size is not None:
            self._sizes.append(self.figure.size(expected))
        if len(quantized) > 1:
            others = self.figure.compare(np.roll(quantized, len(quantized) // 2, axis=0), expected)
            self._moved = max(self._moved, float(np.nanmax(np.abs(others - self._numbers[-1]), initial=0.0)))
        if self.figure.nature.kind == "rows":
            self._add_matched(expected, quantized)
        elif quantized.shape == expected.shape:
            self._add_errors(self.figure.nature.part(expected), self.figure.nature.part(quantized))
        else:
            self._differ += len(expected)
        self._samples += len(expected)

    def _mean_size(self) -> float:
        return float(np.concatenate(self._sizes).mean()) if self._sizes else 0.0

    def _add_errors(self, floats: Array, rounded: Array) -> None:
        x, y = _doubles(floats), _doubles(rounded)
        known = np.isfinite(x)
        if not known.all():
            x, y = np.where(known, x, 0.0), np.where(known, y, 0.0)
        with np.errstate(invalid="ignore", over="ignore"):  # broken models overflow
            noise = ((x - y) ** 2).sum(1)
            self.signal += float((x * x).sum())
            self._other += float((y * y).sum())
            self._product += float((x * y).sum())
            self.noise += float(noise.sum())
        largest = int(np.argmax(np.nan_to_num(noise, nan=np.inf)))
        if noise[largest] > self._worst or not isfinite(noise[largest]):
            self._worst, self._worst_sample = float(noise[largest]), self._samples + largest
        self._largest = max(self._largest, float(np.nanmax(np.abs(x - y), initial=0.0)))
        one, two = (decided(self.figure.nature, array) for array in (floats, rounded))
        if one is not None and two is not None:
            self._decisions += one.size
            self._same += int(np.count_nonzero(one == two))
        if self._neighbours is not None:
            self._neighbours.add(floats, rounded)

    def _details(self) -> list[str]:
        found = []
        kind = self.figure.nature.kind
        if kind == "probabilities":
            found.append(f"largest absolute error {self._largest:.3g}")
        if kind in ("probabilities", "unsure") and self._decisions:
            what = "decisions at 0.5" if kind == "probabilities" else "top-1 if it holds class scores"
            found.append(f"{what}: {self._same / self._decisions:.2%} the same")
        if self._neighbours is not None and (share := self._neighbours.share()) is not None:
            found.append(f"nearest neighbour of {share:.2%} of the samples the same")
        if self._differ:
            found.append(f"{self._differ} of {self._samples} samples have another number of rows than in float")
        return found


def output_parts(floats: Sequence[Arrays], producers: Mapping[str, str], *, of_length: bool) -> list[OutputPart]:
    """The parts of all outputs that can be compared.

    Args:
        floats: the float model's outputs for batches of samples, {name: array} with one row per sample.
        producers: the type of the operator that writes each output, where it is known.
        of_length: whether the inputs differ in shape between samples, so that outputs of several sizes are sequences
            and not rows that the model selects.
    """
    parts = []
    for name, first in floats[0].items():
        if first.dtype.kind in "fiub":
            values = _together([batch[name] for batch in floats], of_length)
            parts += [OutputPart(name, figure) for figure in figures(values, producers.get(name, ""))]
    return parts


def _together(arrays: Sequence[Array], of_length: bool) -> Array | None:
    """The rows of all batches; sequences by position on axis 0; None for rows that the model selects."""
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) == 1:
        return np.concatenate(list(arrays))
    if not of_length or len({len(shape) for shape in shapes}) > 1:
        return None
    axes = [axis for axis, sizes in enumerate(zip(*shapes, strict=True), 1) if len(set(sizes)) > 1]
    if len(axes) > 1:
        return np.concatenate([array.reshape(-1) for array in arrays])
    return np.concatenate([np.swapaxes(_one_row(array, axes[0]), 0, axes[0]) for array in arrays])


def _one_row(array: Array, axis: int) -> Array:
    """All samples of a batch behind one another on an axis."""
    return np.concatenate(np.split(array, len(array)), axis)


def lost_outputs(judged: str, outputs: Sequence[OutputFigure], *, unlabelled: bool) -> list[str]:
    """A warning for each output that is much worse than the one that the metric judges; without labels, also if lost.

    Args:
        judged: name of the output that the metric reads; empty for all.
        outputs: the errors of all outputs.
        unlabelled: whether the metric is agreement with the float model.
    """
    kept = max((each.sqnr_db for each in outputs if each.name == judged), default=-inf)
    low = [
        f"{each.title} keeps only {each.sqnr_db:.1f} dB of SQNR (cosine {each.cosine:.4f})"
        for each in outputs
        if each.sqnr_db < _LOST and (each.name == judged or kept - _WORSE <= each.sqnr_db)
    ]
    return (low if unlabelled else []) + [
        f"{each.title} keeps {each.sqnr_db:.1f} dB of SQNR (cosine {each.cosine:.4f}) where output '{judged}', which "
        f"the metric judges, keeps {kept:.1f} dB; judge it with `metric={each.name}:agreement`"
        for each in outputs
        if each.name != judged and each.sqnr_db < min(_LOW, kept - _WORSE)
    ]


def _title(name: str, part: str) -> str:
    return f"{part} of output '{name}'" if part else f"output '{name}'"


def _doubles(array: Array) -> Doubles:
    return array.reshape(len(array), int(np.prod(array.shape[1:]))).astype(np.float64)


def _columns(columns: tuple[int, ...]) -> str:
    """Columns in words, with runs as ranges."""
    runs: list[list[int]] = []
    for column in columns:
        if runs and column == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], column]
        else:
            runs.append([column])
    texts = ["–".join(map(str, dict.fromkeys(run))) for run in runs]
    return "" if not texts else f"column{'s' if len(columns) > 1 else ''} {', '.join(texts)}"
