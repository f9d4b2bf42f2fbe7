"""The metric of the float and the quantized model on the same samples, with the paired interval of the drop."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from math import isfinite, nan

import numpy as np
from numpy.typing import NDArray

from octavo.data import Preprocess, open_samples
from octavo.data.runner import DEFAULT_BATCH
from octavo.engines import Engine
from octavo.errors import DataError
from octavo.measure.doubt import doubts
from octavo.measure.evaluation import Evaluation
from octavo.measure.interval import Interval, of_scores
from octavo.measure.metrics import Metric
from octavo.measure.outputs import OutputFigure, lost_outputs
from octavo.measure.paired import ScoreDrop, interval_of_means
from octavo.measure.paired_run import PairedRun
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
        output: the output, or the part of it, that was judged, in words; empty where there is only one.
        figure: what was compared, in words; empty where the name says it.
        why: why that figure fits the output; empty where it was chosen.
        outputs: the error of every output.
        of_error: whether the metric is an error of real numbers against the float model, which no quantized model makes
            zero, so that a drop beyond its interval says nothing.
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
    output: str = ""
    figure: str = ""
    why: str = field(default="", compare=False)
    outputs: tuple[OutputFigure, ...] = field(default=(), compare=False)
    of_error: bool = False

    @property
    def title(self) -> str:
        """The metric, with the output that it judges where there are several."""
        return f"{self.name} of {self.output}" if self.output else self.name

    @property
    def worst(self) -> OutputFigure | None:
        """The output, or the part of one, with the lowest SQNR; None where nothing was compared."""
        return min(self.outputs, key=lambda each: each.sqnr_db, default=None)

    @property
    def changed(self) -> bool:
        """Whether the quantized model differs from the float model beyond the interval, in either direction."""
        return not self.of_error and self.ci95 is not None and not self.ci95[0] <= 0.0 <= self.ci95[1]


def evaluate(
    evaluation: Evaluation,
    float_engine: Engine,
    quantized_engine: Engine,
    *,
    producers: Mapping[str, str] | None = None,
    preprocess: Preprocess | None = None,
    limit: int | None = None,
    batch_size: int | None = None,
    calibrated_on: Set[bytes] = frozenset(),
    seed: int = 0,
    progress: Progress | None = None,
) -> MetricResult:
    """Run both models over the evaluation data and compute the metric.

    Args:
        producers: the type of the operator that writes each output, where it is known.
        calibrated_on: hashes of the calibration samples, to warn of an overlap.
        seed: seed of the resampling.

    Raises:
        DataError: the data do not match the models or the metric.
        OptionError: no metric is given and the labels do not determine one.
    """
    samples = open_samples(evaluation.data, float_engine.inputs, preprocess=preprocess, limit=limit)
    run = PairedRun(samples, float_engine, quantized_engine, evaluation.metric, producers or {}, progress or Silent())
    run.run(batch_size or DEFAULT_BATCH)
    groups = Groups(run.reference.get("groups"), run.samples)
    judged = _judged(run, groups, seed)
    metric, values, interval = judged.metric, judged.values, judged.interval
    drop = (values[1] - values[0]) if metric.lower_is_better else (values[0] - values[1])
    agreement = run.decisions.agreement()
    outputs = tuple(part.result() for part in run.parts)
    warnings = [
        *run.plausible.doubt(metric, judged.of_float, judged.output, run.reference, run.classes),
        *lost_outputs(judged.output, outputs, unlabelled=metric.fits_outputs),
        *_overlap(run.hashes, calibrated_on),
        *(() if judged.of_error and drop > 0.0 else doubts(interval, metric, values[0], groups, agreement)),
    ]
    return MetricResult(
        metric.name, metric.unit, *values, drop, interval.ends, interval.method, run.samples, groups.count,
        warnings, run.sqnr_db, agreement, judged.title, metric.figure, metric.why, outputs,
        judged.of_error,
    )  # fmt: skip


@dataclass(frozen=True)
class _Judged:
    """The metric, its values, and what it read.

    Attributes:
        metric: the metric.
        values: its values of the float and of the quantized model.
        of_float: its value of the float model for each sample, or the one for all.
        interval: the interval of the drop.
        output: the output that it read; empty for all of them.
        title: that output, or the part of it, in words; empty where there is only one.
        of_error: `MetricResult.of_error`.
    """

    metric: Metric
    values: tuple[float, float]
    of_float: NDArray[np.float64] | float
    interval: Interval
    output: str = ""
    title: str = ""
    of_error: bool = False


def _judged(run: PairedRun, groups: Groups, seed: int) -> _Judged:
    metric = run.metric
    if metric.fits_outputs:
        return _agreement(run, groups)
    title = f"output '{metric.output}'" if metric.output and len({part.name for part in run.parts}) > 1 else ""
    if metric.per_sample is not None:
        first, second = (np.concatenate(numbers) for numbers in zip(*run.numbers, strict=True))
        values = float(first.mean()), float(second.mean())
        _check_finite(metric, values)
        return _Judged(
            metric, values, first, interval_of_means(metric, first, second, run.exchanged, groups), metric.output, title
        )
    assert metric.score is not None
    outputs = run.outputs()
    values = metric.score(outputs[0], run.reference, outputs[0]), metric.score(outputs[1], run.reference, outputs[0])
    _check_finite(metric, values)
    size = sum(array.nbytes for arrays in (*outputs, run.reference) for array in arrays.values())
    interval = of_scores(ScoreDrop(metric, outputs, run.reference), groups, size > _LARGE, seed)
    return _Judged(metric, values, values[0], interval, metric.output, title)


def _agreement(run: PairedRun, groups: Groups) -> _Judged:
    """Agreement with the float model, of the output or the part of one that agrees least."""
    parts = [part for part in run.parts if run.metric.output in ("", part.name)]
    if not parts:
        raise DataError("no output holds numbers that metric agreement could compare; choose another `metric`")
    worst = min(parts, key=lambda part: part.value if isfinite(part.value) else -1.0)
    metric = replace(run.metric, output=worst.name, figure=worst.figure.title, why=worst.figure.nature.why)
    second = worst.values()
    first = np.full(len(second), 100.0)
    values = 100.0, worst.value
    _check_finite(metric, values)
    interval = interval_of_means(metric, first, second, worst.exchanged, groups)
    title = worst.title if len(run.parts) > 1 else ""
    return _Judged(metric, values, first, interval, worst.name, title, worst.figure.of_error)


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
