"""One quantization, stage by stage: prepare, plan, calibrate, quantize, prove, check, measure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter

import onnx_ir as ir

from octavo.data import Preprocess, SampleSet, fixed_size, smallest_run, split
from octavo.engines import Engine
from octavo.engines.onnxruntime import Session, saturating
from octavo.errors import ModelError
from octavo.graph import input_specs, model_bytes, prepare, stored_bytes
from octavo.graph.plan import Plan, make_plan
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
from octavo.pipeline import provenance
from octavo.pipeline.layers import TensorValues, layer_reports, tensor_values
from octavo.pipeline.native_time import NativeTime, native_time
from octavo.pipeline.recipe import Recipe
from octavo.pipeline.result import QuantizationResult
from octavo.ranges import Observer, RangeSketch
from octavo.recover import PLAIN, RAISED, Memory, Rung, Settings, Step, Verdict, begin, climb, judge
from octavo.recover.sensitivity import own_errors, shares
from octavo.recover.walk import walkable
from octavo.system.progress import Progress
from octavo.targets import Target

_QUANTIZED = {"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}

_HAZARD = (
    "16-bit saturation hazard: its weights exceed 7 bits, so without VNNI pairs of products can saturate; "
    "x86-avx2 avoids it"
)
# Of the evaluation data, the part that chooses among rungs, and how many samples that is at most.
_CHOOSE, _MOST_CHOOSE = 1 / 3, 2000
# Of the time that a quantization took, the part that runs in the native runtime may take.
_NATIVE = 0.03


@dataclass
class Job:
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
    native: NativeTime | None = None
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
        self.settings = Settings(
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
            self.state = begin(self.settings, self.prepared, checkpoint)
            self.quantized = self.state.quantized
        self.seconds["calibrate"] = min(self.state.calibration.seconds, self.seconds["quantize"])
        self.seconds["quantize"] -= self.seconds["calibrate"]
        self._warn_of_nonfinite(self.state.calibration.observers)

    def follow(self, checkpoint: Path | None) -> None:
        """The rungs of a recipe, each as it was kept: the recipe, the model and the data alone decide."""
        with self.stage("ladder"):
            self.state = begin(self.settings, self.prepared, checkpoint)
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
            choosing, judging = agreement(self.settings.samples), None
        else:
            share = _CHOOSE if held_out.length is None else min(_CHOOSE, _MOST_CHOOSE / held_out.length)
            first, second = split(held_out, share, self.seed)
            choosing, judging = replace(evaluation, data=first), replace(evaluation, data=second)
        floats = Recorded(Session(self.float_model, threads=self.threads))

        def choose(model: ir.Model) -> MetricResult:
            return self._metric(choosing, floats, model, None)

        folder = None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}.rungs")
        training = None if folder is None else folder / "training"
        self.settings = replace(self.settings, choose=choose, training=training)
        self.memory = Memory(folder, "" if folder is None else self._key(held_out), self.settings)
        with self.stage("ladder"):
            found = climb(
                lambda: begin(self.settings, self.prepared, checkpoint),
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
            self.settings.samples.sha256(),
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
        self.latency_batch = fixed_size(input_specs(self.float_model)) or 1
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
            if walkable(self.state.model) and not self.settings.samples.one_pass:
                self.shares = shares(own_errors(self.state))
            layers = list(self.state.plan.layers.values())
            self.diagnosis = diagnose(layers, self.errors, self.state.activations, self._evidence())
        if "onnxruntime" in self.target.engines:
            with self.stage("time"):
                self._time(samples)
        with self.stage("time natively"):
            self._time_natively(samples)

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
            native=self.native,
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
                {} if self.native is None else self.native.layers,
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
        first, second = latencies(engines, feeds, seconds=1.0, progress=self.progress)
        self.latency = {"float": first.median_ms, "quantized": second.median_ms}
        if second.low_ms > first.high_ms:
            self.warnings.append(
                f"INT8 is slower than FP32 on this machine ({second.median_ms:.3g} against {first.median_ms:.3g} ms, "
                f"batch {self.latency_batch}, target {self.target.name}); "
                "keep the float model here, or try another target"
            )

    def _time_natively(self, samples: SampleSet) -> None:
        spent = sum(self.seconds.values())
        layers = self.state.plan.layers.values()
        self.native = native_time(self.quantized, layers, samples, self.latency_batch, _NATIVE * spent)
