"""The metric of the float and the quantized model on the same samples, with the paired interval of the drop."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from math import isfinite, nan

import numpy as np
from numpy.typing import NDArray

from octavo.data import Arrays, Batch, Preprocess, SampleSet, concatenate, open_samples, run_batch, sample_hashes
from octavo.data.runner import DEFAULT_BATCH, fixed_batch
from octavo.engines import Engine
from octavo.errors import DataError
from octavo.measure.decibels import decibels
from octavo.measure.decisions import Decisions
from octavo.measure.doubt import doubts
from octavo.measure.evaluation import Evaluation
from octavo.measure.interval import Interval, of_scores
from octavo.measure.metrics import Metric, default_metric
from octavo.measure.paired import ScoreDrop, exchange_effect, interval_of_means
from octavo.measure.resample import Groups
from octavo.system.progress import Progress, Silent

# Bytes of outputs and references above which hundreds of evaluations of a score take minutes.
_LARGE = 1 << 22


@dataclass(frozen=True)
class MetricResult:
    """One metric of both models on the same samples.

    Attributes:
        drop: loss of the quantized model in the unit of the metric; negative where it is better.
        ci95: the paired 95% interval of the drop; None where there are too few data.
        method: method of the interval.
        samples, groups: number of samples, and of the groups that were resampled.
        sqnr_db: signal-to-quantization-noise ratio of the quantized model's float outputs.
        agreement: share of the decisions, from 0 to 1, that are those of the float model; None where the outputs are
            not decisions.
    """

    name: str
    unit: str
    float_value: float
    quantized_value: float
    drop: float
    ci95: tuple[float, float] | None
    method: str
    samples: int
    groups: int
    warnings: list[str] = field(default_factory=list)
    # Excluded from comparison: the order of summation depends on the batch size.
    sqnr_db: float = field(default=nan, compare=False)
    agreement: float | None = None

    @property
    def changed(self) -> bool:
        """Whether the quantized model differs from the float model beyond the interval, in either direction."""
        return self.ci95 is not None and not self.ci95[0] <= 0.0 <= self.ci95[1]


def evaluate(
    evaluation: Evaluation,
    float_engine: Engine,
    quantized_engine: Engine,
    *,
    preprocess: Preprocess | None = None,
    limit: int | None = None,
    batch_size: int | None = None,
    calibrated_on: Set[bytes] = frozenset(),
    seed: int = 0,
    progress: Progress | None = None,
) -> MetricResult:
    """Run both models over the evaluation data and compute the metric.

    Args:
        calibrated_on: hashes of the calibration samples, to warn of an overlap.
        seed: seed of the resampling.

    Raises:
        DataError: the data do not match the models or the metric.
        OptionError: no metric is given and the labels do not determine one.
    """
    samples = open_samples(evaluation.data, float_engine.inputs, preprocess=preprocess, limit=limit)
    job = _Job(samples, float_engine, quantized_engine, evaluation.metric, progress or Silent())
    job.run(batch_size or DEFAULT_BATCH)
    groups = Groups(job.reference.get("groups"), job.samples)
    assert job.metric is not None
    values, interval = _judge(job.metric, job, groups, seed)
    drop = (values[1] - values[0]) if job.metric.lower_is_better else (values[0] - values[1])
    agreement = job.decisions.agreement()
    warnings = [
        *_overlap(job.hashes, calibrated_on),
        *doubts(interval, job.metric, values[0], groups, agreement),
    ]
    return MetricResult(
        job.metric.name, job.metric.unit, *values, drop, interval.ends, interval.method, job.samples, groups.count,
        warnings, decibels(job.signal, job.noise), agreement,
    )  # fmt: skip


class _Job:
    """Outputs of both models, or numbers per sample where the metric is their mean."""

    def __init__(
        self, samples: SampleSet, first: Engine, second: Engine, metric: Metric | None, progress: Progress
    ) -> None:
        self.source, self.engines, self.metric, self.progress = samples, (first, second), metric, progress
        self.reference: Arrays = {} if samples.length is None else samples.reference()
        self.streamed: list[Arrays] = []
        self.parts: list[tuple[Arrays, Arrays]] = []
        self.numbers: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
        self.hashes: list[bytes] = []
        self.decisions, self.exchanged = Decisions(), 0.0
        self.samples = 0
        self.signal = self.noise = 0.0

    def run(self, batch_size: int) -> None:
        self.progress.start("evaluate", self.source.length)
        for batch in self.source.batches(fixed_batch(self.engines[0]) or batch_size):
            self._take(batch)
            self.progress.advance(batch.size)
        if self.streamed and self.streamed[0]:
            self.reference = _concatenated(self.streamed)
        self.progress.done()

    def _take(self, batch: Batch) -> None:
        outputs = [_outputs_of(run_batch(engine, batch)) for engine in self.engines]
        self._count_noise(*outputs)
        rows = slice(self.samples, self.samples + batch.size)
        reference = batch.reference or {name: array[rows] for name, array in self.reference.items()}
        self.metric = self.metric or default_metric(reference)
        self.decisions.add(outputs[0], outputs[1], reference)
        if self.metric.per_sample is not None:
            first, second = (self.metric.per_sample(own, reference, outputs[0]) for own in outputs)
            self.numbers.append((first, second))
            self.exchanged = max(self.exchanged, exchange_effect(self.metric, outputs[1], reference, outputs[0]))
        else:
            self.parts.append((outputs[0], outputs[1]))
        # Metrics per sample are computed already; only the groups are needed later.
        mean = self.metric.per_sample is not None
        self.streamed.append({n: a for n, a in batch.reference.items() if n == "groups" or not mean})
        self.hashes.extend(sample_hashes(batch))
        self.samples += batch.size

    def _count_noise(self, floats: Arrays, rounded: Arrays) -> None:
        for name, array in floats.items():
            if array.dtype.kind == "f" and name in rounded and rounded[name].shape == array.shape:
                known = np.isfinite(array)
                x, y = array[known].astype(np.float64), rounded[name][known].astype(np.float64)
                self.signal += float(x @ x)
                self.noise += float((x - y) @ (x - y))

    def outputs(self) -> tuple[Arrays, Arrays]:
        return _concatenated([part[0] for part in self.parts]), _concatenated([part[1] for part in self.parts])


def _concatenated(parts: list[Arrays]) -> Arrays:
    try:
        return concatenate(parts)
    except ValueError:
        raise DataError(
            "the samples differ in the shape of their outputs or reference, so this metric cannot take them together; "
            "pad them to one length, or choose a metric that is a mean over samples"
        ) from None


def _outputs_of(pairs: object) -> Arrays:
    return concatenate([outputs for _, outputs in pairs])  # type: ignore[attr-defined]


def _judge(metric: Metric, job: _Job, groups: Groups, seed: int) -> tuple[tuple[float, float], Interval]:
    if metric.per_sample is not None:
        first = np.concatenate([pair[0] for pair in job.numbers])
        second = np.concatenate([pair[1] for pair in job.numbers])
        values = float(first.mean()), float(second.mean())
        _check_finite(metric, values)
        return values, interval_of_means(metric, first, second, job.exchanged, groups)
    assert metric.score is not None
    outputs = job.outputs()
    values = metric.score(outputs[0], job.reference, outputs[0]), metric.score(outputs[1], job.reference, outputs[0])
    _check_finite(metric, values)
    size = sum(array.nbytes for arrays in (*outputs, job.reference) for array in arrays.values())
    return values, of_scores(ScoreDrop(metric, outputs, job.reference), groups, size > _LARGE, seed)


def _check_finite(metric: Metric, values: tuple[float, float]) -> None:
    for value, model in zip(values, ("float", "quantized"), strict=True):
        if not isfinite(value):
            raise DataError(
                f"metric {metric.name} of the {model} model is {value}; look for NaN and infinity in its outputs "
                "and in the reference, or choose another `metric`"
            )


def _overlap(hashes: list[bytes], calibrated_on: Set[bytes]) -> list[str]:
    shared = sum(sample in calibrated_on for sample in hashes)
    if not shared:
        return []
    return [f"{shared} of {len(hashes)} evaluation samples are calibration samples too; the drop may be understated"]
