"""Evaluation data with a metric: `octavo.evaluation.top1("eval.npz")`, and one function for every other metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from octavo.data import Arrays, SampleSource
from octavo.measure.metrics import Metric, metric
from octavo.measure.metrics.custom import custom as custom_metric
from octavo.measure.metrics.registry import factories


@dataclass(frozen=True)
class Evaluation:
    """Held-out data and the metric to judge them by.

    Attributes:
        data: any source that `octavo.quantize` accepts as calibration data, with the reference arrays beside the
            inputs; an array named `groups` assigns samples to groups that are resampled as a whole.
        metric: None selects top1 where there are integer labels and agreement where there are no labels.
    """

    data: SampleSource
    metric: Metric | None = None


def top1(data: SampleSource) -> Evaluation:
    """Top-1 accuracy in points."""
    return Evaluation(data, metric("top1"))


def top5(data: SampleSource) -> Evaluation:
    """Top-5 accuracy in points."""
    return Evaluation(data, metric("top5"))


def auc(data: SampleSource) -> Evaluation:
    """Area under the ROC curve of a binary classifier, in points."""
    return Evaluation(data, metric("auc"))


def mse(data: SampleSource) -> Evaluation:
    """Mean squared error to the reference array named after the output, `target` or `labels`; lower is better."""
    return Evaluation(data, metric("mse"))


def psnr(data: SampleSource) -> Evaluation:
    """Mean peak signal-to-noise ratio to the reference, in dB."""
    return Evaluation(data, metric("psnr"))


def cosine(data: SampleSource) -> Evaluation:
    """Mean cosine similarity to the reference."""
    return Evaluation(data, metric("cosine"))


def agreement(data: SampleSource) -> Evaluation:
    """Agreement with the float model in points; needs no labels."""
    return Evaluation(data, metric("agreement"))


def custom(function: Callable[[Arrays, Arrays], float], data: SampleSource) -> Evaluation:
    """`function(outputs, reference) -> float`, higher is better; both are {name: array}, one row per sample."""
    return Evaluation(data, custom_metric(function))


def __getattr__(name: str) -> Callable[[SampleSource], Evaluation]:
    """The function of a registered metric that has none above."""
    if name not in factories():
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'; it has {', '.join(__dir__())}")

    def evaluation(data: SampleSource) -> Evaluation:
        return Evaluation(data, metric(name))

    evaluation.__name__, evaluation.__doc__ = name, factories()[name].__doc__
    return evaluation


def __dir__() -> list[str]:
    """The names of the public functions."""
    return sorted({"Evaluation", "custom", *factories()})
