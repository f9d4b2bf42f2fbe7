"""Evaluation data with a metric: `octavo.evaluation.top1("eval.npz")`, and one function for every other metric.

Each takes the name of the `output` that it judges; without it, the labels tell which, else the first is judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

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


def top1(data: SampleSource, output: str = "") -> Evaluation:
    """Top-1 accuracy in points."""
    return _of("top1", data, output)


def top5(data: SampleSource, output: str = "") -> Evaluation:
    """Top-5 accuracy in points."""
    return _of("top5", data, output)


def auc(data: SampleSource, output: str = "") -> Evaluation:
    """Area under the ROC curve of a binary classifier, in points."""
    return _of("auc", data, output)


def mse(data: SampleSource, output: str = "") -> Evaluation:
    """Mean squared error to the reference array named after the output, `target` or `labels`; lower is better."""
    return _of("mse", data, output)


def psnr(data: SampleSource, output: str = "") -> Evaluation:
    """Mean peak signal-to-noise ratio to the reference, in dB."""
    return _of("psnr", data, output)


def cosine(data: SampleSource, output: str = "") -> Evaluation:
    """Mean cosine similarity to the reference."""
    return _of("cosine", data, output)


def agreement(data: SampleSource, output: str = "") -> Evaluation:
    """Agreement with the float model in points, of the output that agrees least; needs no labels."""
    return _of("agreement", data, output)


def _of(name: str, data: SampleSource, output: str) -> Evaluation:
    """A registered metric of the output of that name; of the first, or the one that fits, without."""
    return Evaluation(data, replace(metric(name), output=output))


def custom(function: Callable[[Arrays, Arrays], float], data: SampleSource) -> Evaluation:
    """`function(outputs, reference) -> float`, higher is better; both are {name: array}, one row per sample."""
    return Evaluation(data, custom_metric(function))


def __getattr__(name: str) -> Callable[..., Evaluation]:
    """The function of a registered metric that has none above."""
    if name not in factories():
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'; it has {', '.join(__dir__())}")

    def evaluation(data: SampleSource, output: str = "") -> Evaluation:
        return _of(name, data, output)

    evaluation.__name__, evaluation.__doc__ = name, factories()[name].__doc__
    return evaluation


def __dir__() -> list[str]:
    """The names of the public functions."""
    return sorted({"Evaluation", "custom", *factories()})
