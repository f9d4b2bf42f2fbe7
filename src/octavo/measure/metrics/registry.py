"""Metrics by name. A new one is a function beside these and a line here."""

from __future__ import annotations

from collections.abc import Callable

from octavo.data import Arrays
from octavo.errors import OptionError
from octavo.measure.metrics.agreement import agreement
from octavo.measure.metrics.auc import auc
from octavo.measure.metrics.custom import imported
from octavo.measure.metrics.metric import Metric
from octavo.measure.metrics.regression import cosine, mse, psnr
from octavo.measure.metrics.top import top1, top5

_METRICS: dict[str, Callable[[], Metric]] = {
    "agreement": agreement,
    "auc": auc,
    "cosine": cosine,
    "mse": mse,
    "psnr": psnr,
    "top1": top1,
    "top5": top5,
}


def metric_names() -> list[str]:
    """The names that `metric` takes."""
    return sorted(_METRICS)


def metric(name: str) -> Metric:
    """The metric of a name, or of `module:function`.

    Raises:
        OptionError: there is no such metric.
    """
    if ":" in name:
        return imported(name)
    if name not in _METRICS:
        raise OptionError(f"there is no metric '{name}'; use one of {', '.join(metric_names())}, or module:function")
    return _METRICS[name]()


def default_metric(reference: Arrays) -> Metric:
    """top1 with integer labels, agreement with the float model without labels.

    Raises:
        OptionError: there are labels, but not of classes.
    """
    labels = reference.get("labels")
    if labels is None:
        return agreement()
    if labels.dtype.kind in "iu" and labels.size == len(labels):
        return top1()
    raise OptionError("the labels are not integers, one a sample; state what to measure with --metric")
