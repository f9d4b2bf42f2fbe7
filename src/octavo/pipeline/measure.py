"""Stage 4: measure the quantized model: the metric, errors layer by layer, latency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from octavo.data import SampleSet, fixed_size, smallest_run
from octavo.engines.onnxruntime import Session, saturating
from octavo.graph import input_specs
from octavo.measure import (
    Diagnosis,
    Evidence,
    Latency,
    MetricResult,
    TensorError,
    counterparts,
    diagnose,
    latencies,
    latency_doubt,
    tensor_errors,
)
from octavo.pipeline.layers import TensorValues, tensor_values
from octavo.pipeline.metric import measure_metric
from octavo.pipeline.native_time import NativeTime, native_time
from octavo.pipeline.seconds import Seconds, timed, total
from octavo.pipeline.state import Quantized
from octavo.ranges import RangeSketch
from octavo.recover import Verdict, judge
from octavo.recover.layers.sensitivity import own_errors, shares
from octavo.recover.layers.walk import walkable

_HAZARD = (
    "16-bit saturation hazard: its weights exceed 7 bits, so without VNNI pairs of products can saturate; "
    "x86-avx2 avoids it"
)
# How long to time both models in ONNX Runtime, in seconds.
_TIME_SECONDS = 1.0
# How long to time the native runtime, as a share of the time that the quantization took.
_NATIVE_SHARE = 0.03


@dataclass(frozen=True)
class LayerErrors:
    """Errors layer by layer.

    Attributes:
        tensors: the error of each compared tensor, by name.
        shares: each layer's own part of the output's error, from 0 to 1; empty where it was not measured.
        diagnosis: the worst layers with likely causes, worst first.
    """

    tensors: Mapping[str, TensorError] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    diagnosis: list[Diagnosis] = field(default_factory=list)


@dataclass(frozen=True)
class Measured:
    """A quantized model and what was measured of it.

    Attributes:
        quantized: the model.
        metric: the metric of both models; None without held-out samples.
        verdict: whether the budget is met; None without a budget.
        errors: errors layer by layer; empty where they were not measured.
        tensors: the values of each tensor on a grid; empty where they were not measured.
        latency: of a run of the float and of the quantized model in ONNX Runtime; None where it was not measured.
        latency_batch: batch size of the timed runs.
        native: time in the native runtime; None where it was not measured.
        warnings: one sentence each.
        seconds: wall time by stage.
    """

    quantized: Quantized
    metric: MetricResult | None
    verdict: Verdict | None
    errors: LayerErrors
    tensors: Mapping[str, TensorValues]
    latency: tuple[Latency, Latency] | None
    latency_batch: int
    native: NativeTime | None
    warnings: tuple[str, ...]
    seconds: Seconds


def measure(quantized: Quantized) -> Measured:
    """Measure the metric on held-out samples; with `verify`, compare layers and time both models.

    Raises:
        DataError: the held-out data do not fit the model or the metric.
    """
    prepared = quantized.prepared
    seconds: dict[str, float] = {}
    metric, verdict = _judge(quantized, seconds)
    warnings = [] if metric is None else list(metric.warnings)
    errors, tensors = LayerErrors(), dict[str, TensorValues]()
    latency, native, batch = None, None, 1
    if prepared.options.verify:
        held_out = prepared.held_out
        samples = prepared.samples if held_out is None or held_out.one_pass else held_out
        batch = fixed_size(input_specs(prepared.float_model)) or 1
        if samples.one_pass:
            warnings.append("layers were not compared and nothing was timed, because the samples can be read only once")
        else:
            errors, hazards = _compare_layers(quantized, samples, seconds)
            latency, slower = _time(quantized, samples, batch, seconds)
            native = _time_natively(quantized, samples, batch, seconds)
            warnings += [*hazards, *slower]
        with timed(seconds, "compare layers"):
            tensors = tensor_values(quantized.state, errors.tensors)
    return Measured(quantized, metric, verdict, errors, tensors, latency, batch, native, tuple(warnings), seconds)


def _judge(quantized: Quantized, seconds: dict[str, float]) -> tuple[MetricResult | None, Verdict | None]:
    """The metric on the samples that were not used for selection, and the verdict on the budget."""
    if quantized.judging is None:
        return None, None
    options = quantized.prepared.options
    with timed(seconds, "evaluate"):
        float_engine = Session(quantized.prepared.float_model, threads=options.threads)
        hashes = set(quantized.state.calibration.sample_hashes)
        metric = measure_metric(options, quantized.judging, float_engine, quantized.model, hashes)
    budget = options.budget.max_drop
    return metric, None if budget is None else judge(metric, budget)


def _compare_layers(
    quantized: Quantized, samples: SampleSet, seconds: dict[str, float]
) -> tuple[LayerErrors, list[str]]:
    """Errors of every tensor on a grid and every layer's result, and warnings."""
    state, options = quantized.state, quantized.prepared.options
    with timed(seconds, "compare layers"):
        pairs = counterparts(quantized.model)
        results = (layer.result for layer in state.plan.layers.values())
        tensors = tensor_errors(
            state.reference,
            quantized.model,
            {name: pairs.get(name, name) for name in dict.fromkeys([*state.plan.tensors, *results])},
            samples,
            params=state.activations,
            threads=options.threads,
            progress=options.progress,
        )
        by_layer: dict[str, float] = {}
        if walkable(state.model) and not quantized.prepared.samples.one_pass:
            by_layer = shares(own_errors(state))
        hazards = saturating(quantized.model) if "onnxruntime" in options.target.engines else []
        diagnosis = diagnose(
            list(state.plan.layers.values()), tensors, state.activations, _evidence(quantized, by_layer, hazards)
        )
    return LayerErrors(tensors, by_layer, diagnosis), _saturation_warnings(hazards)


def _evidence(quantized: Quantized, by_layer: Mapping[str, float], hazards: list[str]) -> Evidence:
    calibration = quantized.state.calibration
    sketches = {name: observer for name, observer in calibration.observers.items() if isinstance(observer, RangeSketch)}
    magnitudes = {name: max(-sketch.min, sketch.max) for name, sketch in sketches.items()}
    sources = {name: tensor.source for name, tensor in quantized.state.plan.tensors.items() if tensor.source != name}
    return Evidence(by_layer, magnitudes, calibration.samples, dict.fromkeys(hazards, _HAZARD), sources)


def _saturation_warnings(hazards: list[str]) -> list[str]:
    if not hazards:
        return []
    return [
        f"on this processor, which lacks VNNI, integer kernels of ONNX Runtime can saturate in "
        f"{len(hazards)} layers of this model; its accuracy here is that of the model as it is written"
    ]


def _time(
    quantized: Quantized, samples: SampleSet, batch: int, seconds: dict[str, float]
) -> tuple[tuple[Latency, Latency] | None, list[str]]:
    """Latency of both models in ONNX Runtime where it serves the target, and a warning where INT8 is slower."""
    prepared, options = quantized.prepared, quantized.prepared.options
    if "onnxruntime" not in options.target.engines:
        return None, []
    with timed(seconds, "time"):
        models = (prepared.float_model, quantized.model)
        engines = [Session(model, threads=options.threads, saturate=True) for model in models]
        feeds = smallest_run(engines[0], samples)
        first, second = latencies(engines, feeds, seconds=_TIME_SECONDS, progress=options.progress)
    return (first, second), _slower(first, second, batch, options.target.name)


def _slower(first: Latency, second: Latency, batch: int, target: str) -> list[str]:
    if second.median_ms <= first.median_ms:
        return []
    medians = f"{second.median_ms:.3g} against {first.median_ms:.3g} ms, batch {batch}, target {target}"
    doubt = latency_doubt(first, second)
    if not doubt:
        return [
            f"INT8 is slower than FP32 on this machine ({medians}); keep the float model here, or try another target"
        ]
    if second.low_ms <= first.high_ms:
        return []
    return [
        f"cannot tell whether INT8 is slower than FP32 here ({medians}): {doubt}; time both again with octavo bench"
    ]


def _time_natively(quantized: Quantized, samples: SampleSet, batch: int, seconds: dict[str, float]) -> NativeTime:
    spent = sum(total(quantized.prepared.seconds, quantized.seconds, seconds).values())
    with timed(seconds, "time natively"):
        layers = quantized.state.plan.layers.values()
        return native_time(quantized.model, layers, samples, batch, _NATIVE_SHARE * spent)
