"""What to measure on which data: `octavo.evaluation.top1("eval.npz")` and its siblings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from octavo.data import Arrays
from octavo.measure.metrics import Metric, metric
from octavo.measure.metrics.custom import custom as custom_metric


@dataclass(frozen=True)
class Evaluation:
    """Held-out data and the metric to judge by.

    Attributes:
        data: whatever `octavo.quantize` takes as calibration, with the reference arrays beside the
            inputs; an array named `groups` says which samples belong together.
        metric: None chooses top1 where there are integer labels and agreement where there are none.
    """

    data: Any
    metric: Metric | None = None


def top1(data: Any) -> Evaluation:
    """How often the largest output is the label's, in points."""
    return Evaluation(data, metric("top1"))


def top5(data: Any) -> Evaluation:
    """How often the label's output is among the five largest, in points."""
    return Evaluation(data, metric("top5"))


def auc(data: Any) -> Evaluation:
    """Area under the ROC curve of a binary classifier, in points."""
    return Evaluation(data, metric("auc"))


def mse(data: Any) -> Evaluation:
    """Mean squared error to the reference array named after the output, `target` or `labels`; lower is better."""
    return Evaluation(data, metric("mse"))


def psnr(data: Any) -> Evaluation:
    """Mean peak signal-to-noise ratio to the reference, in dB."""
    return Evaluation(data, metric("psnr"))


def cosine(data: Any) -> Evaluation:
    """Mean cosine similarity to the reference."""
    return Evaluation(data, metric("cosine"))


def agreement(data: Any) -> Evaluation:
    """Agreement with the float model: no labels needed."""
    return Evaluation(data, metric("agreement"))


def custom(function: Callable[[Arrays, Arrays], float], data: Any) -> Evaluation:
    """`function(outputs, reference) -> float`, higher is better; both are {name: array}, one row a sample."""
    return Evaluation(data, custom_metric(function))
