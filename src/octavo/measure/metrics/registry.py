"""Registry of metrics. A new metric is a file in this folder and its entry in `_METRICS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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


def factories() -> Mapping[str, Callable[[], Metric]]:
    """The registered metrics by name."""
    return _METRICS


def metric_names() -> list[str]:
    """The registered names, sorted."""
    return sorted(_METRICS)


def metric(name: str) -> Metric:
    """The metric with this name, or a function given as `module:function`.

    Raises:
        OptionError: there is no such metric.
    """
    if ":" in name:
        return imported(name)
    if name not in _METRICS:
        raise OptionError(f"there is no metric '{name}'; use one of {', '.join(metric_names())}, or module:function")
    return _METRICS[name]()


def default_metric(reference: Arrays) -> Metric:
    """top1 for integer labels, agreement with the float model where there are no labels.

    Raises:
        OptionError: the labels are not one integer per sample.
    """
    labels = reference.get("labels")
    if labels is None:
        return agreement()
    if labels.dtype.kind in "iu" and labels.size == len(labels):
        return top1()
    raise OptionError("the labels are not one integer per sample; choose a metric with `metric`")
