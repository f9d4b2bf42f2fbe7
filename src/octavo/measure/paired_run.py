"""Run both models over the evaluation samples, batch by batch, and keep what metrics and output figures need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from octavo.data import Arrays, Batch, SampleSet, concatenate, sample_hashes
from octavo.data.runner import fixed_batch
from octavo.data.sample_rows import RowRunner
from octavo.engines import Engine
from octavo.errors import DataError
from octavo.measure.decibels import decibels
from octavo.measure.decisions import Decisions
from octavo.measure.fit import fit
from octavo.measure.metrics import Metric
from octavo.measure.metrics.metric import LABELS, Doubles
from octavo.measure.outputs import OutputPart, output_parts
from octavo.measure.paired import exchange_effect
from octavo.measure.plausible import Plausible
from octavo.system.progress import Progress

# So many samples, and at most so many bytes of outputs, tell what the outputs are.
_TELLING, _TELLING_BYTES = 64, 1 << 26


class PairedRun:
    """Outputs of both models, or numbers per sample where the metric is their mean.

    Args:
        samples: the evaluation samples.
        first: the float model.
        second: the quantized model.
        metric: what to measure; None for the metric that follows from the labels.
        producers: the type of the operator that writes each output, where it is known.
        progress: receives progress events.

    Attributes:
        reference: the reference arrays, one row per sample.
        numbers: the metric of each sample of both models, batch by batch, where it is a mean over samples.
        parts: the errors of the outputs.
        hashes: a hash of each sample.
        samples: number of samples.
        plausible: what the float model's inputs and outputs are like.
        classes: number of classes of the output that the metric reads.
        decisions: which decisions are those of the float model.
        exchanged: how far the metric of a sample moves at most if it gets the outputs of another.
    """

    def __init__(
        self,
        samples: SampleSet,
        first: Engine,
        second: Engine,
        metric: Metric | None,
        producers: Mapping[str, str],
        progress: Progress,
    ) -> None:
        self._source, self._engines, self._progress = samples, (first, second), progress
        self._chosen, self._producers = metric, producers
        self._metric: Metric | None = None
        self.reference: Arrays = {} if samples.length is None else samples.reference()
        self._highest = _highest(self.reference)
        self.parts: list[OutputPart] = []
        self.numbers: list[tuple[Doubles, Doubles]] = []
        self.hashes: list[bytes] = []
        self.samples = 0
        self.plausible = Plausible()
        self.decisions, self.exchanged = Decisions(), 0.0
        self.classes = 2
        self._streamed: list[Arrays] = []
        self._kept: list[tuple[Arrays, Arrays]] = []
        self._waiting: list[tuple[Batch, Arrays, Arrays, Arrays]] = []

    @property
    def metric(self) -> Metric:
        """The metric as it was fitted to the outputs."""
        assert self._metric is not None
        return self._metric

    def run(self, batch_size: int) -> None:
        """Run all samples.

        Raises:
            DataError: the data do not match the models or the metric.
            OptionError: no metric is given and the labels do not determine one.
        """
        self._progress.start("evaluate", self._source.length)
        runner = RowRunner(self._engines)
        for batch in self._source.batches(fixed_batch(self._engines[0]) or batch_size):
            for part, outputs in runner.run(batch):
                self._take(part, *outputs)
            self._progress.advance(batch.size)
        if self._metric is None:
            self._fit()
        if self._streamed and self._streamed[0]:
            self.reference = together(self._streamed)
        self._progress.done()

    @property
    def sqnr_db(self) -> float:
        """The signal-to-quantization-noise ratio of all outputs of real numbers, in dB."""
        parts = [part for part in self.parts if part.figure.nature.kind != "decisions"]
        return decibels(sum(part.signal for part in parts), sum(part.noise for part in parts))

    def outputs(self) -> tuple[Arrays, Arrays]:
        """All outputs of both models, where the metric needs them at once."""
        return together([part[0] for part in self._kept]), together([part[1] for part in self._kept])

    def _take(self, batch: Batch, floats: Arrays, rounded: Arrays) -> None:
        rows = slice(self.samples, self.samples + batch.size)
        reference = batch.reference or {name: array[rows] for name, array in self.reference.items()}
        self.hashes.extend(sample_hashes(batch))
        self.samples += batch.size
        self.plausible.add(batch.inputs, floats)
        if self._metric is not None:
            self._measure(batch, reference, floats, rounded)
            return
        self._waiting.append((batch, reference, floats, rounded))
        if self.samples >= _telling(floats):
            self._fit()

    def _fit(self) -> None:
        """Fit metric and figures to the outputs of the first samples, and measure those."""
        count = _telling(self._waiting[0][2])
        floats = _first([floats for _, _, floats, _ in self._waiting], count)
        reference = _first([reference for _, reference, _, _ in self._waiting], count)
        lengths = {tuple(x.shape[1:] for x in batch.inputs.values()) for batch, _, _, _ in self._waiting}
        known, expected = (joined(arrays) for arrays in (floats, reference))
        if len(next(iter(known.values()), ())) != len(next(iter(expected.values()), ())):
            known, expected = floats[0], reference[0]
        self._metric = fit(self._chosen, known, expected, self._producers, self._highest or _highest(expected))
        scores = known.get(self._metric.output)
        self.classes = 2 if scores is None or scores.ndim < 2 else max(scores.shape[1], 2)
        self.parts = output_parts(floats, self._producers, of_length=len(lengths) > 1)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            self._measure(*each)

    def _measure(self, batch: Batch, reference: Arrays, floats: Arrays, rounded: Arrays) -> None:
        self.decisions.add(floats, rounded, reference)
        for part in self.parts:
            part.add(floats, rounded)
        if self.metric.score is not None:
            self._kept.append((floats, rounded))
        elif not self.metric.fits_outputs:
            assert self.metric.per_sample is not None
            first, second = (self.metric.per_sample(own, reference, floats) for own in (floats, rounded))
            self.numbers.append((first, second))
            self.exchanged = max(self.exchanged, exchange_effect(self.metric, rounded, reference, floats))
        # Metrics per sample are computed already; labels tell chance, and groups what is independent.
        kept = (LABELS, "groups")
        self._streamed.append({n: a for n, a in batch.reference.items() if n in kept or self.metric.score is not None})


def together(parts: list[Arrays]) -> Arrays:
    """The rows of all parts.

    Raises:
        DataError: the samples differ in shape.
    """
    try:
        return concatenate(parts)
    except ValueError:
        raise DataError(
            "the samples differ in the shape of their outputs or reference, so this metric cannot take them together; "
            "pad them to one length, or choose a metric that is a mean over samples"
        ) from None


def joined(parts: list[Arrays]) -> Arrays:
    """The rows of all parts, or those of the first where samples differ in shape."""
    try:
        return concatenate(parts)
    except ValueError:
        return parts[0]


def _telling(outputs: Arrays) -> int:
    """How many samples tell what the outputs are."""
    row = sum(array[:1].nbytes for array in outputs.values())
    return max(1, min(_TELLING, _TELLING_BYTES // max(row, 1)))


def _first(parts: list[Arrays], count: int) -> list[Arrays]:
    """The first `count` rows, in the same parts."""
    found = []
    for part in parts:
        rows = len(next(iter(part.values()), ()))
        found.append({name: array[:count] for name, array in part.items()})
        count -= rows
        if count <= 0:
            break
    return found


def _highest(reference: Mapping[str, NDArray[Any]]) -> int:
    labels = reference.get(LABELS)
    return int(labels.max(initial=0)) if labels is not None and labels.dtype.kind in "iu" else 0
