"""Registry of metrics. A new metric is a file in this folder and its entry in `_METRICS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from octavo.data import Arrays
from octavo.errors import OptionError
from octavo.measure.metrics.agreement import agreement
from octavo.measure.metrics.auc import auc
from octavo.measure.metrics.custom import imported
from octavo.measure.metrics.metric import LABELS, Metric
from octavo.measure.metrics.regression import cosine, mse, psnr
from octavo.measure.metrics.top import fits_labels, top1, top5
from octavo.system.imports import is_function

_METRICS: dict[str, Callable[[], Metric]] = {
    "agreement": agreement,
    "auc": auc,
    "cosine": cosine,
    "mse": mse,
    "psnr": psnr,
    "top1": top1,
    "top5": top5,
}


def factories() -> Mapping[str, Callable[[], Metric]]:
    """The registered metrics by name."""
    return _METRICS


def metric_names() -> list[str]:
    """The registered names, sorted."""
    return sorted(_METRICS)


def metric(name: str) -> Metric:
    """The metric with this name, of the output `NAME` as `NAME:metric`, or a function given as `module:function`.

    Raises:
        OptionError: there is no such metric.
    """
    output, colon, kind = name.rpartition(":")
    # A function of the user may have the name of a built-in metric.
    if colon and (kind not in _METRICS or is_function(name)):
        return imported(name)
    if kind not in _METRICS:
        raise OptionError(
            f"there is no metric '{name}'; use one of {', '.join(metric_names())}, or module:function, or "
            "OUTPUT:METRIC for one of several outputs"
        )
    return replace(_METRICS[kind](), output=output)


def default_metric(reference: Arrays, outputs: Arrays | None = None, highest: int = 0) -> Metric:
    """top1 for integer labels, agreement with the float model where there are no labels.

    Args:
        reference: the reference arrays.
        outputs: the outputs that the labels may be of; without them, labels must be one integer per sample.
        highest: the highest label of all samples.

    Raises:
        OptionError: the labels are not one integer per sample, nor one per position or score of an output.
    """
    labels = reference.get(LABELS)
    if labels is None:
        return agreement()
    if labels.dtype.kind in "iu" and labels.size == len(labels):
        return top1()
    if any(fits_labels(output, labels, highest) for output in (outputs or {}).values()):
        return top1()
    raise OptionError("the labels are not one integer per sample; choose a metric with `metric`")
