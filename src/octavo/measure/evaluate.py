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
from octavo.measure.evaluation import Evaluation
from octavo.measure.interval import Interval, of_means, of_proportions, of_scores
from octavo.measure.metrics import Metric, default_metric
from octavo.measure.resample import Groups
from octavo.system.progress import Progress, Silent

# Bytes of outputs and references above which 1000 bootstrap resamples of a score take minutes.
_LARGE = 1 << 22
# In points: wider half-intervals cannot resolve the drops that users ask about.
_RESOLUTION = 0.5


@dataclass(frozen=True)
class MetricResult:
    """One metric of both models on the same samples.

    Attributes:
        drop: loss of the quantized model in the unit of the metric; negative where it is better.
        ci95: the paired 95% interval of the drop; None where there are too few data.
        method: method of the interval.
        samples, groups: number of samples, and of the groups that were resampled.
        sqnr_db: signal-to-quantization-noise ratio of the quantized model's float outputs.
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
    warnings = [*_overlap(job.hashes, calibrated_on), *_width_warning(interval, job.metric, values[0], groups)]
    return MetricResult(
        job.metric.name, job.metric.unit, *values, drop, interval.ends, interval.method, job.samples, groups.count,
        warnings, decibels(job.signal, job.noise),
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
        if self.metric.per_sample is not None:
            first, second = (self.metric.per_sample(own, reference, outputs[0]) for own in outputs)
            self.numbers.append((first, second))
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
        return values, _interval_of_means(metric, first, second, groups, seed)
    assert metric.score is not None
    outputs = job.outputs()
    values = metric.score(outputs[0], job.reference, outputs[0]), metric.score(outputs[1], job.reference, outputs[0])
    _check_finite(metric, values)
    size = sum(array.nbytes for arrays in (*outputs, job.reference) for array in arrays.values())
    return values, of_scores(_Drop(metric, outputs, job.reference), groups, size > _LARGE, seed)


def _check_finite(metric: Metric, values: tuple[float, float]) -> None:
    for value, model in zip(values, ("float", "quantized"), strict=True):
        if not isfinite(value):
            raise DataError(
                f"metric {metric.name} of the {model} model is {value}; look for NaN and infinity in its outputs "
                "and in the reference, or choose another `metric`"
            )


def _interval_of_means(
    metric: Metric, first: NDArray[np.float64], second: NDArray[np.float64], groups: Groups, seed: int
) -> Interval:
    worse = second - first if metric.lower_is_better else first - second
    two_valued = metric.unit == "points" and bool(np.isin(np.concatenate([first, second]), (0.0, 100.0)).all())
    losses, gains = int((worse > 0).sum()), int((worse < 0).sum())
    # Where no sample differs, a bootstrap over groups has no variance: count each group as one sample.
    if two_valued and (groups.kind == "samples" or (losses == gains == 0 and groups.count > 1)):
        return of_proportions(losses, gains, groups.count, 100.0, groups.kind)
    return of_means(worse, groups, seed)


class _Drop:
    """The drop of a score on a subset of the rows."""

    def __init__(self, metric: Metric, outputs: tuple[Arrays, Arrays], reference: Arrays) -> None:
        self.metric, self.outputs, self.reference = metric, outputs, reference

    def __call__(self, rows: NDArray[np.int64] | None, groups: NDArray[np.int64] | None) -> float:
        selected = [_rows(arrays, rows) for arrays in (*self.outputs, self.reference)]
        if groups is not None and "groups" in selected[2]:
            selected[2]["groups"] = groups
        assert self.metric.score is not None
        try:
            first = self.metric.score(selected[0], selected[2], selected[0])
            second = self.metric.score(selected[1], selected[2], selected[0])
        except DataError:  # undefined on this resample, for example without one of the classes
            return nan
        return second - first if self.metric.lower_is_better else first - second


def _rows(arrays: Arrays, rows: NDArray[np.int64] | None) -> Arrays:
    return {name: array if rows is None else array[rows] for name, array in arrays.items()}


def _overlap(hashes: list[bytes], calibrated_on: Set[bytes]) -> list[str]:
    shared = sum(sample in calibrated_on for sample in hashes)
    if not shared:
        return []
    return [f"{shared} of {len(hashes)} evaluation samples are calibration samples too; the drop may be understated"]


def _width_warning(interval: Interval, metric: Metric, value: float, groups: Groups) -> list[str]:
    if interval.ends is None:
        why = interval.method.removeprefix("none: ")
        return [f"nothing tells the drop from noise ({why}); evaluate on more"]
    low, high = interval.ends
    resolution = _RESOLUTION if metric.unit == "points" else 0.01 * abs(value)
    if low <= 0.0 <= high and (high - low) / 2 > resolution:
        return [
            f"{groups.count} {groups.kind} are too few to tell the drop from noise "
            f"(95% interval {low:+.3g} to {high:+.3g} {metric.unit}".rstrip()
            + "); evaluate on more"
        ]
    return []
