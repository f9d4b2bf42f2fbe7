"""The result of a quantization: the model, the decisions, and the measurements."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

import octavo.torch
from octavo.export import export_model
from octavo.graph.plan import LeftFloat
from octavo.graph.proof import OverflowProof
from octavo.measure import Diagnosis, MetricResult
from octavo.pipeline.layers import LayerReport, TensorValues
from octavo.pipeline.native_time import NativeTime
from octavo.pipeline.recipe import Recipe
from octavo.quantizer import State
from octavo.recover import Step, Verdict
from octavo.report.html import Plots, result_fragment, result_page
from octavo.report.summary import brief
from octavo.system.files import new_path, write_text

if TYPE_CHECKING:
    from octavo.torch.run import Network


_NOT_IN_JSON = {"model", "float_model", "state"}


@dataclass(frozen=True, repr=False)
class QuantizationResult:
    """The quantized model with everything that was decided and measured.

    Attributes:
        model: the INT8 model in QDQ form.
        target: the target's name.
        metric: float and quantized metric with the paired interval; None without `evaluate`.
        size_bytes: serialized size of both models, keys `float` and `quantized`.
        latency_ms: median latency of both models on this machine; None when it was not measured.
        seconds: wall time by stage.
        peak_rss_bytes: peak memory of the process.
        calibration_samples: number of samples the ranges were taken from.
        layers: one report for each integer layer, in graph order.
        left_float: operators left in float, each with the reason.
        proofs: the overflow proof of each accumulator.
        diagnosis: the worst layers with likely causes, worst first.
        recipe: the decisions, to repeat or edit them.
        versions: versions of Octavo, its dependencies and Python.
        sha256: digests of the model and the data.
        warnings: one sentence each.
        native: time of a run in the native runtime at `latency_batch` on one thread, by layer, or why the model does
            not run there; None when it was not measured.
        latency_batch: batch size of `latency_ms`: 1, or the model's own where that is fixed.
        latency_spread_ms: lower and upper quartile of the latencies, keys as in `latency_ms`; None like it.
        latency_doubt: why the latencies allow no conclusion, such as a busy machine; empty where they do.
        steps: every rung of the ladder that was tried, in order; empty where none was.
        refinements: the refinements of plain quantization that were kept ("equalize", "ranges", "correct"), each with
            what it did.
        verdict: whether the budget is met, as far as the samples can tell; None without a budget.
        tensors: the values of each tensor on a grid, activations and weights, by name; empty without `verify`.
        operators: names of all operators of the prepared model, in graph order.
        command: the command line that made the result; empty from Python.
        float_model: the float model.
        state: the quantization state that training continues from.
    """

    model: ir.Model
    target: str
    metric: MetricResult | None
    size_bytes: dict[str, int]
    latency_ms: dict[str, float] | None
    seconds: dict[str, float]
    peak_rss_bytes: int
    calibration_samples: int
    layers: list[LayerReport]
    left_float: list[LeftFloat]
    proofs: list[OverflowProof]
    diagnosis: list[Diagnosis]
    recipe: Recipe
    versions: dict[str, str]
    sha256: dict[str, str]
    warnings: list[str] = field(default_factory=list)
    latency_batch: int = 1
    native: NativeTime | None = None
    latency_spread_ms: dict[str, list[float]] | None = None
    latency_doubt: str = ""
    steps: list[Step] = field(default_factory=list)
    refinements: dict[str, str] = field(default_factory=dict)
    verdict: Verdict | None = None
    tensors: dict[str, TensorValues] = field(default_factory=dict)
    operators: list[str] = field(default_factory=list)
    command: str = ""
    float_model: ir.Model | None = None
    state: State | None = None

    def __repr__(self) -> str:
        return "\n".join(brief(self.to_dict()))

    @property
    def module(self) -> Network:
        """The quantized model as a PyTorch module that computes the same integers.

        Raises:
            ModelError: the model has operators without a PyTorch translation.
            DependencyError: PyTorch is not installed.
        """
        return octavo.torch.as_module(self.model)

    @property
    def plot(self) -> Plots:
        """Charts of the result: `layers()`, `histogram(name)`, `channels(name)`, `sensitivity()`, `pareto()`."""
        return Plots(self.to_dict())

    def report(self, path: str | os.PathLike[str], *, title: str = "", overwrite: bool = False) -> Path:
        """Write the result as one self-contained HTML page.

        Args:
            path: the file to write.
            title: title of the page; by default the model's name.
            overwrite: replace an existing file.

        Raises:
            OptionError: the file exists and `overwrite` is not set, or it cannot be written.
            DependencyError: the plotting library is not installed.
        """
        path = new_path(path, overwrite)
        write_text(path, result_page(self.to_dict(), title or self.model.graph.name or "model"))
        return path

    def _repr_html_(self) -> str:
        return result_fragment(self.to_dict())

    def save(self, path: str | os.PathLike[str], format: str | None = None, *, overwrite: bool = False) -> Path:
        """Write the quantized model, atomically.

        Args:
            path: the file to write.
            format: output format, `qdq` or `bundle`; by default that of the suffix, `.onnx` or `.oct`, else `qdq`.
            overwrite: replace an existing file.

        Raises:
            ModelError: a bundle was asked for, and the native runtime does not support the model.
            OptionError: there is no such format, or the file exists or cannot be written.
        """
        return export_model(self.model, path, format, overwrite=overwrite)

    def to_dict(self) -> dict[str, Any]:
        """The result without the models, in JSON types, as `octavo quantize --json` writes it.

        NaN and infinity, which JSON does not have, are None.
        """
        metric = None if self.metric is None else metric_dict(self.metric)
        plain = {key: value for key, value in self.__dict__.items() if key not in _NOT_IN_JSON}
        lists = {key: [asdict(item) for item in plain[key]] for key in ("layers", "left_float", "diagnosis", "steps")}
        proofs = [{**asdict(proof), "holds": proof.holds} for proof in self.proofs]
        values = {
            **plain,
            **lists,
            "metric": metric,
            "native": None if self.native is None else _native_dict(self.native),
            "proofs": proofs,
            "recipe": asdict(self.recipe),
            "verdict": None if self.verdict is None else asdict(self.verdict),
            "tensors": {name: asdict(values) for name, values in self.tensors.items()},
        }
        return {key: _finite(value) for key, value in values.items()}

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def write_json(self, path: str | os.PathLike[str]) -> None:
        """Write `to_json` to a file, atomically.

        Raises:
            OptionError: the file cannot be written.
        """
        write_text(Path(path), self.to_json() + "\n")


def _native_dict(native: NativeTime) -> Mapping[str, Any]:
    """The native time without that of each layer, which is in the layer's report."""
    return {key: value for key, value in asdict(native).items() if key != "layers"}


def _finite(value: Any) -> Any:
    """Replace NaN and infinity in nested containers by None."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def metric_dict(metric: MetricResult) -> Mapping[str, Any]:
    """The metric with the keys of the JSON result."""
    return {
        "name": metric.name,
        "unit": metric.unit,
        "float": metric.float_value,
        "quantized": metric.quantized_value,
        "drop": metric.drop,
        "drop_ci95": None if metric.ci95 is None else list(metric.ci95),
        "method": metric.method,
        "sqnr_db": metric.sqnr_db,
        "samples": metric.samples,
        "groups": metric.groups,
        "agreement": metric.agreement,
        "changed": metric.changed,
        "output": metric.output,
        "figure": metric.figure,
        "why": metric.why,
        "outputs": [asdict(output) for output in metric.outputs],
    }
