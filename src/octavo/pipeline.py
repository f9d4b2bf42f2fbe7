"""The main job, stage by stage: prepare, plan, calibrate, quantize, prove, check, measure."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import onnx_ir as ir

from octavo import provenance
from octavo.data import Preprocess, SampleSet, first_inputs, fixed_batch, open_samples, smallest_run, split
from octavo.engines import Engine
from octavo.engines.onnxruntime import Session, saturating
from octavo.errors import ModelError, OptionError
from octavo.graph import input_specs, load, model_bytes, prepare, source_files, stored_bytes
from octavo.graph.plan import Plan, make_plan
from octavo.layers import TensorValues, layer_reports, tensor_values
from octavo.measure import (
    Diagnosis,
    Evaluation,
    Evidence,
    MetricResult,
    TensorError,
    counterparts,
    diagnose,
    latencies,
    peak_rss_bytes,
    tensor_errors,
)
from octavo.measure import evaluate as measure_metric
from octavo.measure.evaluation import agreement
from octavo.measure.recorded import Recorded
from octavo.progress import Progress, Silent
from octavo.ranges import Observer, RangeSketch
from octavo.recipe import Recipe, read_recipe
from octavo.recover import PLAIN, RAISED, Memory, Rung, Step, Verdict, Work, begin, climb, judge, rungs_named
from octavo.recover.sensitivity import own_errors, shares
from octavo.recover.walk import walkable
from octavo.result import QuantizationResult
from octavo.targets import Target
from octavo.targets import target as find_target
from octavo.torch import input_names, is_module, module_sha256, to_onnx

_QUANTIZED = {"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}

_HAZARD = (
    "16-bit saturation hazard: its weights exceed 7 bits, so without VNNI pairs of products can saturate; "
    "x86-avx2 avoids it"
)
# Of the evaluation data, the part that chooses among rungs, and how many samples that is at most.
_CHOOSE, _MOST_CHOOSE = 1 / 3, 2000


def quantize(
    model: str | os.PathLike[str] | ir.Model | Any,
    calibration: Any,
    target: str | Target = "auto",
    *,
    example_inputs: Any = None,
    dynamic_shapes: Any = None,
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
    max_drop: float | None = None,
    rungs: str | Sequence[str] | None = None,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    block_size: int | None = None,
    allow_training: bool = False,
) -> QuantizationResult:
    """Quantize a float32 model after training, and measure what that cost.

    Args:
        model: the path of an ONNX file, a model in memory (onnx_ir or onnx ModelProto), or a PyTorch network: an
            `nn.Module`, which is taken in eval mode and left as it is, or a `torch.export.ExportedProgram`.
        calibration: samples to take ranges from: the path of a .npz, a .npy or a folder of images; an
            array or a dict of arrays by input name, whose first axis counts samples; or any iterable of
            dicts, arrays or tuples (a PyTorch DataLoader, a generator), or an ONNX Runtime
            CalibrationDataReader.
        target: a target's name, "auto" for this machine's, the path of a target file, or a Target.
        example_inputs: what the forward of an `nn.Module` takes: one tensor, a tuple, or a dict of keyword inputs.
            By default the first calibration samples, matched by the names of forward's arguments, else by order.
        dynamic_shapes: which axes of a module's inputs may vary, as for `torch.export.export`; by default the
            batch axis, where the network allows it.
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
        checkpoint: a file that keeps the state of the calibration pass, from which it is resumed; finished
            rungs are kept in a folder beside it.
        progress: receives the course of the work.
        verify: compare layers with the float model and time both models.
        max_drop: how much the metric may lose, in its unit. The ladder is climbed as far as that needs: a
            third of the evaluation data, at most 2,000 samples, chooses, and the rest judges.
        rungs: which rungs to try: "auto" (all, the default with `max_drop`), "none" (the default without),
            or some of them, as names in a list or parted by commas. Without `max_drop` all named are tried.
        weight_bits: width of the weights, where the target allows another than its own.
        activation_bits: width of the activations, likewise.
        block_size: weights that share a scale, for a target whose weights are in blocks.
        allow_training: let the last rung train for more than a few minutes; without, it says what it would take.

    Returns:
        The quantized model with all that was decided and measured.

    Raises:
        ModelError: the model cannot be read or exported, is quantized already, or nothing in it can be quantized.
        DataError: the samples do not fit the model.
        TargetError: the target is unknown, or the result would break one of its rules.
        OptionError: an option has a value that cannot be used.
        DependencyError: a package that this needs is not installed.
    """
    decided = _decisions(recipe)
    if max_drop is not None and evaluate is None:
        raise OptionError("a budget needs held-out samples to be judged by; give --evaluate with --max-drop")
    if max_drop is not None and not max_drop >= 0:
        raise OptionError(f"a budget of {max_drop:g} cannot be met by any model; give 0 or more")
    chosen_target = _target(target, decided)
    if (weight_bits, activation_bits) != (None, None):
        chosen_target = chosen_target.with_bits(weight_bits, activation_bits)
    if block_size is not None:
        chosen_target = chosen_target.with_block_size(block_size)
    job = _Job(
        target=chosen_target,
        exclude=[*(decided.exclude if decided else ()), *exclude],
        estimator=estimator,
        recipe=decided,
        seed=decided.seed if decided else seed,
        threads=threads,
        batch_size=batch_size,
        progress=progress or Silent(),
        identify=evaluate is not None,
        budget=max_drop,
        rungs=_rungs(rungs, max_drop, decided),
        allow_training=allow_training,
    )
    with job.stage("prepare"):
        if is_module(model):
            job.module_sha256 = module_sha256(model)
            model = _exported(model, example_inputs, dynamic_shapes, calibration, preprocess)
        elif example_inputs is not None or dynamic_shapes is not None:
            raise OptionError(
                "example_inputs and dynamic_shapes are for PyTorch modules; leave them out for ONNX models"
            )
        files, loaded = _load(model)
        job.open(files, loaded)
    samples = open_samples(calibration, input_specs(loaded), preprocess=preprocess, limit=limit)
    evaluation = evaluate if evaluate is None or isinstance(evaluate, Evaluation) else Evaluation(evaluate)
    held_out = None if evaluation is None else open_samples(evaluation.data, input_specs(loaded), preprocess=preprocess)
    kept = None if checkpoint is None else Path(checkpoint)
    job.prepare_work(samples)
    if job.rungs and job.budget is None and rungs is None:
        job.follow(kept)
    elif job.rungs or job.budget is not None:
        evaluation = job.climb(evaluation, held_out, kept)
    else:
        job.quantize(kept)
    job.write_metadata(samples)
    if evaluation is not None:
        job.evaluate(evaluation, preprocess)
    if verify:
        job.verify(samples if held_out is None or held_out.one_pass else held_out)
    result = job.result(samples, held_out)
    if job.memory is not None and not any(step.withheld for step in job.steps):
        job.memory.forget()
    return result


def _rungs(names: str | Sequence[str] | None, budget: float | None, recipe: Recipe | None) -> list[Rung]:
    if names is None:
        names = recipe.rungs if recipe is not None and recipe.rungs else "none" if budget is None else "auto"
    return rungs_named(names)


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


def _exported(module: Any, given: Any, shapes: Any, calibration: Any, preprocess: Preprocess | None) -> ir.Model:
    """The module as ONNX; where no inputs were given, on the first calibration samples."""
    if given is None and hasattr(module, "forward"):
        given = first_inputs(calibration, *input_names(module), preprocess)
    return to_onnx(module, given, shapes)


def _load(model: Any) -> tuple[list[Path], ir.Model]:
    """The model, and the files it comes from; none where it was handed over in memory."""
    if isinstance(model, str | os.PathLike):
        loaded = load(model)
        return source_files(loaded), loaded
    if isinstance(model, ir.Model):
        return [], model
    if hasattr(model, "graph") and hasattr(model, "opset_import"):
        return [], ir.from_proto(model)
    raise ModelError(f"a model of type {type(model).__name__} cannot be read; give an ONNX file's path or a module")


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
    budget: float | None = None
    rungs: list[Rung] = field(default_factory=list)
    allow_training: bool = False
    module_sha256: str = ""
    steps: list[Step] = field(default_factory=list)
    verdict: Verdict | None = None
    memory: Memory | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    metric: MetricResult | None = None
    latency: dict[str, float] | None = None
    latency_batch: int = 1
    errors: dict[str, TensorError] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    tensors: dict[str, TensorValues] = field(default_factory=dict)
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

    def prepare_work(self, samples: SampleSet) -> None:
        """What the states of this quantization have in common."""
        self.work = Work(
            self.target,
            samples,
            self._plan,
            threads=self.threads,
            batch_size=self.batch_size,
            seed=self.seed,
            identify=self.identify,
            progress=self.progress,
            budget=self.budget,
            allow_training=self.allow_training,
        )

    def quantize(self, checkpoint: Path | None) -> None:
        """The plain quantization."""
        with self.stage("quantize"):
            self.state = begin(self.work, self.prepared, checkpoint)
            self.quantized = self.state.quantized
        self.seconds["calibrate"] = min(self.state.calibration.seconds, self.seconds["quantize"])
        self.seconds["quantize"] -= self.seconds["calibrate"]
        self._warn_of_nonfinite(self.state.calibration.observers)

    def follow(self, checkpoint: Path | None) -> None:
        """The rungs of a recipe, each as it was kept: the recipe, the model and the data alone decide."""
        with self.stage("ladder"):
            self.state = begin(self.work, self.prepared, checkpoint)
            for rung in self.rungs:
                self.state = rung.apply(self.state).state
            self.quantized = self.state.quantized
        self._warn_of_nonfinite(self.state.calibration.observers)

    def climb(
        self, evaluation: Evaluation | None, held_out: SampleSet | None, checkpoint: Path | None
    ) -> Evaluation | None:
        """The ladder; what is left is the evaluation on samples that chose nothing."""
        if held_out is None or evaluation is None:
            self.warnings.append("rungs were chosen by agreement on the calibration samples, for want of held-out ones")
            choosing, judging = agreement(self.work.samples), None
        else:
            share = _CHOOSE if held_out.length is None else min(_CHOOSE, _MOST_CHOOSE / held_out.length)
            first, second = split(held_out, share, self.seed)
            choosing, judging = replace(evaluation, data=first), replace(evaluation, data=second)
        floats = Recorded(Session(self.float_model, threads=self.threads))

        def choose(model: ir.Model) -> MetricResult:
            return self._metric(choosing, floats, model, None)

        folder = None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}.rungs")
        training = None if folder is None else folder / "training"
        self.work = replace(self.work, choose=choose, training=training)
        self.memory = Memory(folder, "" if folder is None else self._key(held_out), self.work)
        with self.stage("ladder"):
            found = climb(
                lambda: begin(self.work, self.prepared, checkpoint),
                self.rungs,
                lambda state: choose(state.quantized),
                self.budget,
                self.memory,
            )
        self.state, self.steps, self.quantized = found.state, found.steps, found.state.quantized
        self._warn_of_nonfinite(self.state.calibration.observers)
        return judging

    def _key(self, held_out: SampleSet | None) -> str:
        parts = [
            provenance.model_sha256(self.float_model, self.files),
            self.work.samples.sha256(),
            "" if held_out is None else held_out.sha256(),
            repr((self.target, self.exclude, self.estimator, self.recipe, self.seed, self.batch_size, self.budget)),
            repr(provenance.versions()),
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def write_metadata(self, samples: SampleSet) -> None:
        """Digest the model and the calibration data, and write that into the quantized model."""
        with self.stage("quantize"):
            self.sha256 = {
                "model": provenance.model_sha256(self.float_model, self.files),
                "calibration": samples.sha256(),
            }
            if self.module_sha256:
                self.sha256["module"] = self.module_sha256
            provenance.write_metadata(self.quantized, self.target.name, self.sha256)

    def evaluate(self, evaluation: Evaluation, preprocess: Preprocess | None) -> None:
        """The metric of both models on held-out samples."""
        with self.stage("evaluate"):
            floats = Session(self.float_model, threads=self.threads)
            self.metric = self._metric(evaluation, floats, self.quantized, preprocess)
        self.warnings.extend(self.metric.warnings)
        if self.budget is not None:
            self.verdict = judge(self.metric, self.budget)

    def _metric(
        self, evaluation: Evaluation, floats: Engine, model: ir.Model, preprocess: Preprocess | None
    ) -> MetricResult:
        return measure_metric(
            evaluation,
            floats,
            Session(model, threads=self.threads),
            preprocess=preprocess,
            batch_size=self.batch_size,
            calibrated_on=set(self.state.calibration.sample_hashes) if hasattr(self, "state") else frozenset(),
            seed=self.seed,
            progress=self.progress,
        )

    def verify(self, samples: SampleSet) -> None:
        """Errors layer by layer, and the latency of both models; a generator that is spent gives neither."""
        self._compare(samples)
        with self.stage("compare layers"):
            self.tensors = tensor_values(self.state, self.errors)

    def _compare(self, samples: SampleSet) -> None:
        if samples.one_pass:
            self.warnings.append(
                "layers were not compared and nothing was timed, for the samples can be read only once"
            )
            return
        with self.stage("compare layers"):
            pairs = counterparts(self.quantized)
            names = {name: pairs.get(name, name) for name in self._compared()}
            self.errors = tensor_errors(
                self.state.reference,
                self.quantized,
                names,
                samples,
                params=self.state.activations,
                threads=self.threads,
                progress=self.progress,
            )
            if walkable(self.state.model) and not self.work.samples.one_pass:
                self.shares = shares(own_errors(self.state))
            layers = list(self.state.plan.layers.values())
            self.diagnosis = diagnose(layers, self.errors, self.state.activations, self._evidence())
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
            calibration_samples=self.state.calibration.samples,
            layers=layer_reports(
                self.state.plan,
                self.state.activations,
                self.state.constants,
                self.errors,
                self.shares,
                self.state.trained,
            ),
            left_float=self.state.plan.left_float,
            proofs=self.state.proofs,
            diagnosis=self.diagnosis,
            recipe=self._recipe(),
            versions=provenance.versions(),
            sha256=self.sha256,
            warnings=self.warnings,
            steps=self.steps,
            verdict=self.verdict,
            tensors=self.tensors,
            operators=[node.name or "" for node in self.state.model.graph],
            float_model=self.float_model,
            state=self.state,
        )

    def _recipe(self) -> Recipe:
        """The decisions, with the rungs that were kept: following them climbs the same way."""
        kept = [step.rung for step in self.steps if step.kept and step.rung not in (PLAIN, "search", "mix")]
        exclude = [*self.exclude, *(re.escape(name) for name, why in self.state.left_out.items() if why == RAISED)]
        return replace(Recipe.of(self.state.plan, exclude, self.seed), rungs=kept)

    def _plan(self, model: ir.Model, left_out: Mapping[str, str]) -> Plan:
        plan = make_plan(model, self.target, self.exclude, left_out)
        if not any(layer.role in ("compute", "embedding") for layer in plan.layers.values()):
            why = f" ({plan.left_float[0].op} '{plan.left_float[0].name}': {plan.left_float[0].why})"
            raise ModelError(
                f"no operator of the model can run in integers on {self.target.name}{why if plan.left_float else ''}; "
                "octavo inspect lists them all"
            )
        if self.recipe is not None:
            self.recipe.apply(plan, model)
        if self.estimator is not None:
            for tensor in plan.tensors.values():
                tensor.estimator = self.estimator
        return plan

    def _warn_of_nonfinite(self, observers: Mapping[str, Observer]) -> None:
        for name, observer in observers.items():
            if isinstance(observer, RangeSketch) and observer.nan_count + observer.inf_count:
                self.warnings.append(
                    f"tensor '{name}' is NaN or infinite for {observer.nan_count + observer.inf_count} of "
                    f"{observer.count} values in the float model; they were left out of its range"
                )

    def _evidence(self) -> Evidence:
        observers = self.state.calibration.observers
        sketches = {name: each for name, each in observers.items() if isinstance(each, RangeSketch)}
        hazards = saturating(self.quantized) if "onnxruntime" in self.target.engines else []
        if hazards:
            self.warnings.append(
                f"on this processor, which lacks VNNI, integer kernels of ONNX Runtime can saturate in "
                f"{len(hazards)} layers of this model; its accuracy here is that of the model as it is written"
            )
        return Evidence(
            self.shares,
            {name: max(-each.min, each.max) for name, each in sketches.items()},
            self.state.calibration.samples,
            dict.fromkeys(hazards, _HAZARD),
        )

    def _compared(self) -> list[str]:
        return list(
            dict.fromkeys([*self.state.plan.tensors, *(layer.result for layer in self.state.plan.layers.values())])
        )

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
