"""Stage 3: quantize, apply the rungs of a recipe, or climb the accuracy ladder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import onnx_ir as ir

from octavo.data import split
from octavo.engines.onnxruntime import Session
from octavo.measure import Evaluation, MetricResult
from octavo.measure.caching_engine import CachingEngine
from octavo.measure.evaluation import agreement
from octavo.pipeline import provenance
from octavo.pipeline.doubt import budget_doubt
from octavo.pipeline.metric import measure_metric
from octavo.pipeline.planner import planner
from octavo.pipeline.prepare import Prepared
from octavo.pipeline.seconds import Seconds, timed
from octavo.quantizer import Settings, State, unseen_warnings
from octavo.ranges import RangeSketch
from octavo.recover import FAILED, LadderCheckpoint, LadderContext, Step, climb, follow, refine
from octavo.system.canonical import canonical

# The selection set: this share of the held-out samples, and at most this number.
_SELECTION_SHARE, _MOST_SELECTION_SAMPLES = 1 / 3, 2000


@dataclass(frozen=True)
class Quantized:
    """A quantized model.

    Attributes:
        prepared: the prepared float model, its options and samples.
        state: every decision, and the model.
        steps: the rungs that were tried, in order; empty unless the ladder was climbed.
        judging: what to measure on the held-out samples that were not used for selection; None without samples.
        checkpoint: the finished rungs on disk; None unless the ladder was climbed.
        sha256: digests of the model, the calibration data, and the module.
        warnings: one sentence each.
        seconds: wall time by stage.
    """

    prepared: Prepared
    state: State
    steps: tuple[Step, ...]
    judging: Evaluation | None
    checkpoint: LadderCheckpoint | None
    sha256: Mapping[str, str]
    warnings: tuple[str, ...]
    seconds: Seconds

    @property
    def model(self) -> ir.Model:
        """The model in QDQ form."""
        return self.state.quantized

    def forget_rungs(self) -> None:
        """Remove the finished rungs from disk, unless a rung was withheld and may be allowed later."""
        if self.checkpoint is not None and not any(step.withheld for step in self.steps):
            self.checkpoint.remove()


@dataclass(frozen=True)
class _Decided:
    """A state, how it was reached, and the wall time that took."""

    state: State
    judging: Evaluation | None
    seconds: dict[str, float]
    steps: tuple[Step, ...] = ()
    checkpoint: LadderCheckpoint | None = None
    warnings: tuple[str, ...] = ()


def quantize_prepared(prepared: Prepared) -> Quantized:
    """Quantize a prepared model and write its provenance into the metadata.

    Raises:
        ModelError: nothing in the model can be quantized.
        DataError: the samples do not fit the model.
        TargetError: the result would break a rule of the target.
    """
    options = prepared.options
    decide = _follow if options.follows_recipe else _climb if options.climbs else _plain
    decided = decide(prepared)
    seconds = dict(decided.seconds)
    with timed(seconds, "quantize"):
        sha256 = _digests(prepared)
        provenance.write_metadata(decided.state.quantized, options.target.name, sha256)
    return Quantized(
        prepared=prepared,
        state=decided.state,
        steps=decided.steps,
        judging=decided.judging,
        checkpoint=decided.checkpoint,
        sha256=sha256,
        warnings=(
            *decided.warnings,
            *_not_refined(decided.state),
            *_nonfinite(decided.state),
            *unseen_warnings(decided.state.calibration, decided.state.decisions.left_out),
        ),
        seconds=seconds,
    )


def _plain(prepared: Prepared) -> _Decided:
    """Plain quantization, refined, without rungs."""
    seconds: dict[str, float] = {}
    with timed(seconds, "quantize"):
        state = _start(prepared)
        _ = state.quantized  # builds and checks the model, which counts as quantization
    seconds["calibrate"] = min(state.calibration.seconds, seconds["quantize"])
    seconds["quantize"] -= seconds["calibrate"]
    return _Decided(state, prepared.evaluation, seconds)


def _follow(prepared: Prepared) -> _Decided:
    """The rungs of a recipe, without measuring them: recipe, model and data alone decide."""
    seconds: dict[str, float] = {}
    with timed(seconds, "ladder"):
        state = _start(prepared)
        for rung in prepared.options.rungs:
            state = rung.apply(state).state
        _ = state.quantized  # builds and checks the model, which counts as part of the ladder
    return _Decided(state, prepared.evaluation, seconds)


def _start(prepared: Prepared) -> State:
    """The plain quantization: refined, or with the refinements of the recipe."""
    options, settings = prepared.options, _settings(prepared)
    if options.recipe is not None:
        return follow(settings, prepared.model, options.recipe.refinements, options.checkpoint)
    choose_ranges = options.estimator is None
    return refine(settings, prepared.model, options.checkpoint, choose_ranges=choose_ranges)


def _climb(prepared: Prepared) -> _Decided:
    """The accuracy ladder: rungs are chosen on the selection set, and the judging set is left."""
    options, checkpoint = prepared.options, prepared.options.checkpoint
    selection, judging, share, warnings = _split(prepared)
    float_engine = CachingEngine(Session(prepared.float_model, threads=options.threads))

    def measure(model: ir.Model) -> MetricResult:
        return measure_metric(options, selection, float_engine, model)

    budget, doubt = options.budget.max_drop, None
    if budget is not None and judging is not None:
        doubt = budget_doubt(options, selection, float_engine, budget, 1 - share)
    if doubt is not None:
        options.progress.announce(doubt)
        warnings = (doubt, *warnings)
    folder = None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}.rungs")
    settings = _settings(prepared)
    context = LadderContext(
        measure,
        budget,
        options.budget.allow_training,
        cannot_judge=doubt is not None,
        training_checkpoint=None if folder is None else folder / "training",
    )
    finished = LadderCheckpoint(folder, "" if folder is None else _key(prepared), settings)
    seconds: dict[str, float] = {}
    with timed(seconds, "ladder"):
        climbed = climb(lambda: _start(prepared), options.rungs, context, finished)
    failed = [f"rung {step.rung} {step.note}" for step in climbed.steps if step.failed]
    return _Decided(climbed.state, judging, seconds, tuple(climbed.steps), finished, (*warnings, *failed))


def _split(prepared: Prepared) -> tuple[Evaluation, Evaluation | None, float, tuple[str, ...]]:
    """What to select rungs by, what to judge the result by, the share of the former, and warnings."""
    evaluation, held_out = prepared.evaluation, prepared.held_out
    if evaluation is None or held_out is None:
        warning = "rungs were selected by agreement on the calibration samples, because there are no held-out samples"
        return agreement(prepared.samples), None, 1.0, (warning,)
    share = _SELECTION_SHARE
    if held_out.length is not None:
        share = min(share, _MOST_SELECTION_SAMPLES / held_out.length)
    selection, judging = split(held_out, share, prepared.options.seed)
    return replace(evaluation, data=selection), replace(evaluation, data=judging), share, ()


def _settings(prepared: Prepared) -> Settings:
    options = prepared.options
    return Settings(
        options.target,
        prepared.samples,
        planner(options),
        threads=options.threads,
        batch_size=options.batch_size,
        seed=options.seed,
        identify=prepared.evaluation is not None,
        progress=options.progress,
    )


def _key(prepared: Prepared) -> str:
    """Identifies the job that finished rungs belong to: model, data, options and versions."""
    options = prepared.options
    decisions = (
        options.target,
        options.exclude,
        options.estimator,
        options.recipe,
        options.seed,
        options.batch_size,
        options.budget.max_drop,
    )
    parts = [
        provenance.model_sha256(prepared.float_model, prepared.files),
        prepared.samples.sha256(),
        "" if prepared.held_out is None else prepared.held_out.sha256(),
        canonical(decisions),
        canonical(provenance.versions()),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _digests(prepared: Prepared) -> dict[str, str]:
    digests = {
        "model": provenance.model_sha256(prepared.float_model, prepared.files),
        "calibration": prepared.samples.sha256(),
    }
    return {**digests, "module": prepared.module_sha256} if prepared.module_sha256 else digests


def _not_refined(state: State) -> list[str]:
    """A warning where the refinements of plain quantization failed."""
    note = state.decisions.refinements.get(FAILED)
    return [] if note is None else [note]


def _nonfinite(state: State) -> list[str]:
    """A warning for each tensor with NaN or infinity in the float model."""
    warnings = []
    for name, observer in state.calibration.observers.items():
        if isinstance(observer, RangeSketch) and observer.nan_count + observer.inf_count:
            warnings.append(
                f"tensor '{name}' is NaN or infinite for {observer.nan_count + observer.inf_count} of "
                f"{observer.count} values in the float model; they were left out of its range"
            )
    return warnings
