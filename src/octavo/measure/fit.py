"""Fit a metric to the outputs: which one it reads, and in which form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from octavo.data import Arrays
from octavo.errors import DataError
from octavo.graph.producers import SIGMOID
from octavo.measure.metrics import Metric, default_metric
from octavo.measure.metrics.metric import LABELS
from octavo.measure.metrics.top import are_sides, fits_labels, threshold


def fit(
    metric: Metric | None, floats: Arrays, reference: Arrays, producers: Mapping[str, str], highest: int = 0
) -> Metric:
    """The metric of one output; agreement with the float model remains that of all outputs that it may read.

    Labels decide which output that is: the first whose classes, or scores, they can be.

    Args:
        metric: the chosen metric; None for the one that follows from the labels.
        floats: the float model's outputs for some samples, {name: array}, one row per sample.
        reference: the reference arrays of the same samples.
        producers: the type of the operator that writes each output, where it is known.
        highest: the highest label of all samples.

    Raises:
        DataError: the metric reads an output that the model does not have.
        OptionError: no metric is given and the labels do not determine one.
    """
    given = metric is not None
    metric = metric or default_metric(reference, floats, highest)
    if metric.output and metric.output not in floats:
        raise DataError(f"the model has no output '{metric.output}'; it has {', '.join(floats)}")
    if metric.fits_outputs:
        return metric
    if metric.score is not None:
        return metric.of(metric.output) if metric.output else metric
    labels = reference.get(LABELS)
    chosen = metric.output or _output_for(metric, floats, reference, highest)
    if metric.at_threshold is not None and labels is not None and are_sides(floats[chosen], labels):
        limit = 0.5 if producers.get(chosen) in SIGMOID else threshold(floats[chosen])
        metric = replace(metric, per_sample=metric.at_threshold(limit), figure=f"decisions at {limit:g}")
    elif metric.of_classes:
        metric = replace(metric, figure="the best class")
    if metric.of_classes and not given:
        metric = replace(metric, why="the labels are whole numbers")
    return metric.of(chosen)


def _output_for(metric: Metric, floats: Arrays, reference: Arrays, highest: int) -> str:
    """The output that the reference is of, else the first."""
    named = [name for name in floats if name in reference]
    fitting: list[str] = []
    if metric.of_classes and LABELS in reference:
        fitting = [name for name, scores in floats.items() if fits_labels(scores, reference[LABELS], highest)]
    return next(iter([*fitting, *named, *floats]))
