"""The main job, stage by stage: prepare, plan, calibrate, quantize, prove, check, measure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import onnx_ir as ir

from octavo import provenance
from octavo.affine import QuantParams, params_from_range, pytorch_params
from octavo.calibrate import Calibration, run
from octavo.data import Preprocess, SampleSet, fixed_batch, open_samples, smallest_run
from octavo.engines.onnxruntime import Session
from octavo.errors import ModelError, OctavoError
from octavo.graph import input_specs, load, model_bytes, prepare, source_files, stored_bytes
from octavo.graph.place import place
from octavo.graph.plan import Plan, make_plan
from octavo.graph.preflight import check_target
from octavo.graph.proof import OverflowProof, prove
from octavo.graph.weights import Constants, quantize_constants
from octavo.measure import (
    Diagnosis,
    Evaluation,
    MetricResult,
    TensorError,
    counterparts,
    diagnose,
    latencies,
    peak_rss_bytes,
    tensor_errors,
)
from octavo.measure import evaluate as measure_metric
from octavo.progress import Progress, Silent
from octavo.ranges import Observer, RangeSketch, estimator
from octavo.recipe import Recipe, read_recipe
from octavo.result import QuantizationResult, layer_reports
from octavo.targets import Target
from octavo.targets import target as find_target

_QUANTIZED = {"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}


def quantize(
    model: str | os.PathLike[str] | ir.Model | Any,
    calibration: Any,
    target: str | Target = "auto",
    *,
    evaluate: Evaluation | Any = None,
    exclude: Sequence[str] = (),
    estimator: str | None = None,
    recipe: str | os.PathLike[str] | Recipe | None = None,
    preprocess: Preprocess | None = None,
    limit: int | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    verify: bool = True,
) -> QuantizationResult:
    """Quantize a float32 model after training, and measure what that cost.

    Args:
        model: the path of an ONNX file, or a model in memory (onnx_ir or onnx ModelProto).
        calibration: samples to take ranges from: the path of a .npz, a .npy or a folder of images; an
            array or a dict of arrays by input name, whose first axis counts samples; or any iterable of
            dicts, arrays or tuples (a PyTorch DataLoader, a generator), or an ONNX Runtime
            CalibrationDataReader.
        target: a target's name, "auto" for this machine's, the path of a target file, or a Target.
        evaluate: held-out samples, as `octavo.evaluation.top1("eval.npz")` or another of its kind; bare
            data take top1 with integer labels, and agreement with the float model without labels.
        exclude: node names, operator types, or regular expressions of node names to leave in float.
        estimator: how ranges are chosen ("minmax", "percentile:99.9", "mse", "entropy",
            "moving_average", "fbgemm_histogram"); the target's own choice by default.
        recipe: decisions to follow: the path of a recipe file, or a Recipe.
        preprocess: how stored numbers or images become model inputs.
        limit: use the first so many calibration samples only.
        batch_size: samples a run.
        threads: threads of ONNX Runtime; its own choice by default.
        seed: of the resampling behind intervals.
        checkpoint: a file that keeps the state of the calibration pass, from which it is resumed.
        progress: receives the course of the work.
        verify: compare layers with the float model and time both models.

    Returns:
        The quantized model with all that was decided and measured.

    Raises:
        ModelError: the model cannot be read, is quantized already, or nothing in it can be quantized.
        DataError: the samples do not fit the model.
        TargetError: the target is unknown, or the result would break one of its rules.
        OptionError: an option has a value that cannot be used.
    """
    decided = _decisions(recipe)
    job = _Job(
        target=_target(target, decided),
        exclude=[*(decided.exclude if decided else ()), *exclude],
        estimator=estimator,
        recipe=decided,
        seed=decided.seed if decided else seed,
        threads=threads,
        batch_size=batch_size,
        progress=progress or Silent(),
        identify=evaluate is not None,
    )
    with job.stage("prepare"):
        files, loaded = _load(model)
        job.open(files, loaded)
    samples = open_samples(calibration, input_specs(loaded), preprocess=preprocess, limit=limit)
    evaluation = evaluate if evaluate is None or isinstance(evaluate, Evaluation) else Evaluation(evaluate)
    held_out = None if evaluation is None else open_samples(evaluation.data, input_specs(loaded), preprocess=preprocess)
    job.quantize(samples, None if checkpoint is None else Path(checkpoint))
    job.write_metadata(samples)
    if evaluation is not None:
        job.evaluate(evaluation, preprocess)
    if verify:
        job.verify(samples if held_out is None or held_out.one_pass else held_out)
    return job.result(samples, held_out)


def _decisions(recipe: str | os.PathLike[str] | Recipe | None) -> Recipe | None:
    if isinstance(recipe, str | os.PathLike):
        return read_recipe(Path(recipe))
    if recipe is not None:
        recipe.check()
    return recipe


def _target(target: str | Target, recipe: Recipe | None) -> Target:
    if isinstance(target, Target):
        return target
    return find_target(recipe.target if recipe is not None and target == "auto" else target)


def _load(model: Any) -> tuple[list[Path], ir.Model]:
    """The model, and the files it comes from; none where it was handed over in memory."""
    if isinstance(model, str | os.PathLike):
        loaded = load(model)
        return source_files(loaded), loaded
    if isinstance(model, ir.Model):
        return [], model
    if hasattr(model, "graph") and hasattr(model, "opset_import"):
        return [], ir.from_proto(model)
    raise ModelError(f"a model of type {type(model).__name__} cannot be read; give the path of an ONNX file")


@dataclass
class _Job:
    """The state of one quantization; each method is a stage."""

    target: Target
    exclude: list[str]
    estimator: str | None
    recipe: Recipe | None
    seed: int
    threads: int | None
    batch_size: int | None
    progress: Progress
    identify: bool
    seconds: dict[str, float] = field(default_factory=dict)
    overflowing: dict[str, str] = field(default_factory=dict)
    metric: MetricResult | None = None
    latency: dict[str, float] | None = None
    latency_batch: int = 1
    errors: dict[str, TensorError] = field(default_factory=dict)
    diagnosis: list[Diagnosis] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the wall time of a stage."""
        start = perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - start

    def open(self, files: list[Path], model: ir.Model) -> None:
        """Prepare the float model."""
        found = next((node for node in model.graph if node.op_type in _QUANTIZED), None)
        if found is not None:
            raise ModelError(f"the model is quantized already ({found.op_type} '{found.name}'); give the float model")
        self.files, self.float_model = files, model
        self.prepared = prepare(model)

    def quantize(self, samples: SampleSet, checkpoint: Path | None) -> None:
        """Plan, calibrate and place, once more without each layer whose accumulator could overflow."""
        self.calibration = Calibration({})
        while True:
            self.plan = self._plan()
            with self.stage("calibrate"):
                self._calibrate(samples, checkpoint)
            with self.stage("quantize"):
                self.activations = self._activations()
                self.constants: Constants = quantize_constants(self.prepared, self.plan, self.activations)
                self.proofs: list[OverflowProof] = prove(self.prepared, self.plan, self.activations, self.constants)
            failed = [proof for proof in self.proofs if not proof.holds]
            if not failed:
                break
            self.overflowing.update({p.layer: f"its accumulator could reach {p.bound}, beyond 32 bits" for p in failed})
        with self.stage("quantize"):
            self.quantized = place(self.prepared, self.plan, self.activations, self.constants)
            check_target(self.quantized, self.target)
            _check(self.quantized)

    def write_metadata(self, samples: SampleSet) -> None:
        """Digest the model and the calibration data, and write that into the quantized model."""
        with self.stage("quantize"):
            self.sha256 = {
                "model": provenance.model_sha256(self.float_model, self.files),
                "calibration": samples.sha256(),
            }
            provenance.write_metadata(self.quantized, self.target.name, self.sha256)

    def evaluate(self, evaluation: Evaluation, preprocess: Preprocess | None) -> None:
        """The metric of both models on held-out samples."""
        with self.stage("evaluate"):
            self.metric = measure_metric(
                evaluation,
                Session(self.float_model, threads=self.threads),
                Session(self.quantized, threads=self.threads),
                preprocess=preprocess,
                batch_size=self.batch_size,
                calibrated_on=set(self.calibration.sample_hashes),
                seed=self.seed,
                progress=self.progress,
            )
        self.warnings.extend(self.metric.warnings)

    def verify(self, samples: SampleSet) -> None:
        """Errors layer by layer, and the latency of both models; a generator that is spent gives neither."""
        if samples.one_pass:
            self.warnings.append(
                "layers were not compared and nothing was timed, for the samples can be read only once"
            )
            return
        with self.stage("compare layers"):
            pairs = counterparts(self.quantized)
            names = {name: pairs.get(name, name) for name in self._compared()}
            self.errors = tensor_errors(
                self.prepared,
                self.quantized,
                names,
                samples,
                params=self.activations,
                threads=self.threads,
                progress=self.progress,
            )
            self.diagnosis = diagnose(list(self.plan.layers.values()), self.errors, self.activations)
        if "onnxruntime" in self.target.engines:
            with self.stage("time"):
                self._time(samples)

    def result(self, samples: SampleSet, held_out: SampleSet | None) -> QuantizationResult:
        """All of it."""
        if held_out is not None:
            self.sha256["evaluation"] = held_out.sha256()
        return QuantizationResult(
            model=self.quantized,
            target=self.target.name,
            metric=self.metric,
            size_bytes={"float": stored_bytes(self.float_model), "quantized": model_bytes(self.quantized)},
            latency_ms=self.latency,
            latency_batch=self.latency_batch,
            seconds=self.seconds,
            peak_rss_bytes=peak_rss_bytes(),
            calibration_samples=self.calibration.samples,
            layers=layer_reports(self.plan, self.activations, self.constants, self.errors),
            left_float=self.plan.left_float,
            proofs=self.proofs,
            diagnosis=self.diagnosis,
            recipe=Recipe.of(self.plan, self.exclude, self.seed),
            versions=provenance.versions(),
            sha256=self.sha256,
            warnings=self.warnings,
        )

    def _plan(self) -> Plan:
        plan = make_plan(self.prepared, self.target, self.exclude, self.overflowing)
        if not any(layer.role in ("compute", "embedding") for layer in plan.layers.values()):
            why = f" ({plan.left_float[0].op} '{plan.left_float[0].name}': {plan.left_float[0].why})"
            raise ModelError(
                f"no operator of the model can run in integers on {self.target.name}{why if plan.left_float else ''}; "
                "octavo inspect lists them all"
            )
        if self.recipe is not None:
            self.recipe.apply(plan, self.prepared)
        if self.estimator is not None:
            for tensor in plan.tensors.values():
                tensor.estimator = self.estimator
        return plan

    def _calibrate(self, samples: SampleSet, checkpoint: Path | None) -> None:
        wanted = [name for name in self.plan.sources if name not in self.calibration.observers]
        if not wanted and self.calibration.samples:
            return
        tensors = {name: estimator(self.plan.tensors[name].estimator).observer for name in wanted}
        found = run(
            self.prepared,
            tensors,
            samples,
            checkpoint=checkpoint,
            progress=self.progress,
            batch_size=self.batch_size,
            threads=self.threads,
            identify=self.identify,
        )
        found.observers.update(self.calibration.observers)
        self.calibration = found
        self._warn_of_nonfinite(found.observers)

    def _warn_of_nonfinite(self, observers: Mapping[str, Observer]) -> None:
        for name, observer in observers.items():
            if isinstance(observer, RangeSketch) and observer.nan_count + observer.inf_count:
                self.warnings.append(
                    f"tensor '{name}' is NaN or infinite for {observer.nan_count + observer.inf_count} of "
                    f"{observer.count} values in the float model; they were left out of its range"
                )

    def _activations(self) -> dict[str, QuantParams]:
        by_source: dict[str, QuantParams] = {}
        for tensor in self.plan.tensors.values():
            if tensor.source not in by_source:
                observer = self.calibration.observers[tensor.source]
                low, high = estimator(tensor.estimator).range(observer, tensor.grid, tensor.symmetric)
                rule = pytorch_params if self.target.rule == "pytorch" else params_from_range
                by_source[tensor.source] = rule(low, high, tensor.grid, symmetric=tensor.symmetric)
        return {name: by_source[tensor.source] for name, tensor in self.plan.tensors.items()}

    def _compared(self) -> list[str]:
        return list(dict.fromkeys([*self.plan.tensors, *(layer.result for layer in self.plan.layers.values())]))

    def _time(self, samples: SampleSet) -> None:
        engines = [Session(model, threads=self.threads, saturate=True) for model in (self.float_model, self.quantized)]
        feeds = smallest_run(engines[0], samples)
        self.latency_batch = fixed_batch(engines[0]) or 1
        first, second = latencies(engines, feeds, seconds=1.0, progress=self.progress)
        self.latency = {"float": first.median_ms, "quantized": second.median_ms}
        if second.low_ms > first.high_ms:
            self.warnings.append(
                f"INT8 is slower than FP32 on this machine ({second.median_ms:.3g} against {first.median_ms:.3g} ms, "
                f"batch {self.latency_batch}, target {self.target.name}); "
                "keep the float model here, or try another target"
            )


def _check(model: ir.Model) -> None:
    """Hold the result against ONNX's own checker."""
    from onnx_ir.passes.common import CheckerPass

    try:
        CheckerPass(full_check=False)(model)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise OctavoError(f"the quantized model fails onnx.checker: {reason}; please report this model") from error
