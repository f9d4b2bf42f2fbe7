"""Measure the metric of the float and a quantized model."""

from __future__ import annotations

from collections.abc import Set

import onnx_ir as ir

from octavo.engines import Engine
from octavo.engines.onnxruntime import Session
from octavo.graph.producers import output_producers
from octavo.measure import Evaluation, MetricResult, evaluate
from octavo.pipeline.options import Options


def measure_metric(
    options: Options,
    evaluation: Evaluation,
    float_engine: Engine,
    model: ir.Model,
    calibrated_on: Set[bytes] = frozenset(),
) -> MetricResult:
    """The metric of both models on the evaluation data.

    Args:
        options: preprocessing, batch size, threads, seed and progress.
        evaluation: data and metric.
        float_engine: runs the float model.
        model: the quantized model.
        calibrated_on: hashes of calibration samples, to warn where they are evaluated on.

    Raises:
        DataError: the data do not fit the models or the metric.
        OptionError: no metric is given and none follows from the labels.
    """
    return evaluate(
        evaluation,
        float_engine,
        Session(model, threads=options.threads),
        producers=output_producers(model),
        preprocess=options.preprocess,
        batch_size=options.batch_size,
        calibrated_on=calibrated_on,
        seed=options.seed,
        progress=options.progress,
    )
