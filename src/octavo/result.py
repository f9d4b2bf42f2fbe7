"""What a quantization gives back: the model, what was decided, and what was measured."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from octavo.affine import QuantParams
from octavo.errors import OptionError
from octavo.files import write_text
from octavo.graph import save
from octavo.graph.plan import LeftFloat, Plan
from octavo.graph.proof import OverflowProof
from octavo.graph.weights import Constants
from octavo.measure import Diagnosis, MetricResult, TensorError
from octavo.recipe import Recipe
from octavo.recover import State, Step, Verdict
from octavo.torch import as_module

if TYPE_CHECKING:
    from octavo.torch.network import Network


# What stands in the place of an estimator where a range was learnt.
_TRAINED = "trained"
_MODELS = {"model", "float_model", "state"}


@dataclass
class TensorReport:
    """One tensor on its grid: `scale` and `zero_point` hold one number, or one a channel along `axis`."""

    tensor: str
    grid: str
    scale: list[float]
    zero_point: list[int]
    axis: int | None
    estimator: str


@dataclass
class LayerReport:
    """One integer layer: its result on its grid, its operands, and its error on held-out samples.

    `grid`, `scale`, `zero_point` and `estimator` are those of the layer's output, or of its first
    input when the layer writes floats. `sqnr_db` is the signal-to-quantization-noise ratio of the
    layer's result against the float model, in decibels; `share` is the layer's own part of the output's
    error, from 0 to 1. Both are None when they were not measured.
    """

    name: str
    op: str
    grid: str
    scale: list[float]
    zero_point: list[int]
    estimator: str
    sqnr_db: float | None
    cosine: float | None
    output: TensorReport | None
    inputs: list[TensorReport]
    weights: list[TensorReport]
    fused: list[str]
    share: float | None = None


@dataclass
class QuantizationResult:
    """The quantized model with everything that was decided and measured on the way.

    Attributes:
        model: the INT8 model in QDQ form.
        target: the target's name.
        metric: float and quantized metric with the paired interval; None without `evaluate`.
        size_bytes: serialized size of both models, keys `float` and `quantized`.
        latency_ms: median latency of both models here; None when it was not measured.
        seconds: wall time by stage.
        calibration_samples: how many samples the ranges were taken from.
        layers: one report for each integer layer, in graph order.
        left_float: operators that stay in float, each with the reason.
        diagnosis: the worst layers with the likely causes, worst first.
        warnings: one sentence each, for whoever reads the verdict.
        latency_batch: the batch size of `latency_ms`: 1, or the model's own where that is fixed.
        steps: every rung of the ladder that was tried, in order; empty where none was asked for.
        verdict: whether the budget is met, as far as the samples can tell; None without a budget.
        float_model: what was quantized.
        state: what training goes on from; None in a result that was read.
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
    steps: list[Step] = field(default_factory=list)
    verdict: Verdict | None = None
    float_model: ir.Model | None = field(default=None, repr=False)
    state: State | None = field(default=None, repr=False)

    @property
    def module(self) -> Network:
        """The quantized model as a PyTorch module that computes the same integers.

        Raises:
            ModelError: the model has operators that are not translated to PyTorch.
            DependencyError: PyTorch is not installed.
        """
        return as_module(self.model)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the quantized model, whole or not at all.

        Raises:
            OptionError: the file exists and `overwrite` is not set, or its folder cannot be written.
        """
        path = Path(path)
        if path.exists() and not overwrite:
            raise OptionError(f"{path} exists; choose another path or allow overwriting")
        save(self.model, path)
        return path

    def to_dict(self) -> dict[str, Any]:
        """The whole result, but for the model itself, in plain types (the schema of `--json`)."""
        metric = None if self.metric is None else metric_dict(self.metric)
        plain = {key: value for key, value in self.__dict__.items() if key not in _MODELS}
        lists = {key: [asdict(item) for item in plain[key]] for key in ("layers", "left_float", "diagnosis", "steps")}
        proofs = [{**asdict(proof), "holds": proof.holds} for proof in self.proofs]
        verdict = None if self.verdict is None else asdict(self.verdict)
        return {**plain, **lists, "metric": metric, "proofs": proofs, "recipe": asdict(self.recipe), "verdict": verdict}

    def to_json(self) -> str:
        """`to_dict` as JSON text; NaN and infinity, for which JSON has no word, are null."""
        return json.dumps(_finite(self.to_dict()), indent=2, ensure_ascii=False, allow_nan=False)

    def write_json(self, path: str | os.PathLike[str]) -> None:
        """Write `to_json`, whole or not at all.

        Raises:
            OptionError: the file cannot be written.
        """
        write_text(Path(path), self.to_json() + "\n")


def layer_reports(
    plan: Plan,
    activations: Mapping[str, QuantParams],
    constants: Constants,
    errors: Mapping[str, TensorError],
    shares: Mapping[str, float] | None = None,
    trained: Container[str] = (),
) -> list[LayerReport]:
    """One report for each layer of a plan, in graph order."""

    def activation(name: str) -> TensorReport:
        tensor = plan.tensors[name]
        return _tensor_report(name, activations[name], _TRAINED if tensor.source in trained else tensor.estimator)

    reports: list[LayerReport] = []
    for layer in plan.layers.values():
        weights = [
            _tensor_report(found.tensor, found.params, "minmax")
            for (name, _), found in constants.items()
            if name == layer.name
        ]
        inputs = [activation(name) for name in layer.inputs.values()]
        output = activation(layer.output) if layer.output is not None else None
        main = output or next(iter([*inputs, *weights]))
        error = errors.get(layer.result)
        reports.append(
            LayerReport(
                name=layer.name,
                op=layer.op,
                grid=main.grid,
                scale=main.scale,
                zero_point=main.zero_point,
                estimator=main.estimator,
                sqnr_db=None if error is None else error.sqnr_db,
                cosine=None if error is None else error.cosine,
                output=output,
                inputs=inputs,
                weights=weights,
                fused=list(layer.fused),
                share=(shares or {}).get(layer.name),
            )
        )
    return reports


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _tensor_report(name: str, params: QuantParams, chosen_by: str) -> TensorReport:
    scale, zero_point = params.scale.reshape(-1), params.zero_point.reshape(-1)
    return TensorReport(
        name, str(params.grid), [float(s) for s in scale], [int(z) for z in zero_point], params.axis, chosen_by
    )


def metric_dict(metric: MetricResult) -> Mapping[str, Any]:
    """The metric under the names of the JSON result."""
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
    }
