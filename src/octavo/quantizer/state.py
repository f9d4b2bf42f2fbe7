"""A quantization on its way: the float graph as rewritten so far, and every decision taken on it."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import onnx_ir as ir

from octavo.affine import Grid, QuantParams, params_from_range, pytorch_params
from octavo.calibrate import Calibration, run
from octavo.data import SampleSet
from octavo.errors import OctavoError
from octavo.graph.place import place
from octavo.graph.plan import Plan
from octavo.graph.preflight import check_target
from octavo.graph.proof import OverflowProof, prove
from octavo.graph.weights import Constants, quantize_constants
from octavo.measure import MetricResult
from octavo.ranges import Range, estimator
from octavo.system.progress import Progress, Silent
from octavo.targets import Target

Planner = Callable[[ir.Model, Mapping[str, str]], Plan]


@dataclass(frozen=True)
class Settings:
    """What a quantization works with, the same from its first state to its last.

    Attributes:
        target: what to quantize for.
        samples: the calibration data; rungs never see others.
        planner: plans a prepared model, given the nodes to leave in float, each with the reason.
        threads: threads of ONNX Runtime.
        batch_size: samples a run of the calibration pass.
        seed: of whatever is drawn at random.
        identify: keep a hash of each calibration sample.
        progress: receives the course of the settings.
        choose: the metric of a quantized model on the samples to choose by; only `mix` reads them.
        budget: how much the metric may lose.
        allow_training: a rung may train for more than a few minutes.
        training: a file that keeps the course of a training.
    """

    target: Target
    samples: SampleSet
    planner: Planner
    threads: int | None = None
    batch_size: int | None = None
    seed: int = 0
    identify: bool = True
    progress: Progress = field(default_factory=Silent)
    choose: Callable[[ir.Model], MetricResult] | None = None
    budget: float | None = None
    allow_training: bool = False
    training: Path | None = None


@dataclass(frozen=True)
class State:
    """A model with everything that turns it into integers; rungs make new states of old ones.

    Attributes:
        model: the prepared float model, as rewritten so far: the same function, but for corrected biases.
        reference: the same without those corrections: what is right, tensor by tensor.
        plan: which layers and tensors become integers.
        calibration: the sketches of the model's tensors.
        activations: parameters of every tensor of the plan.
        constants: integers of every constant of the plan's layers.
        proofs: one for each accumulator.
        left_out: layers left in float, each with the reason.
        estimators: the estimator of a tensor, where a rung chose it.
        grids: the grid of an activation, where a rung raised it.
        given: constants whose integers a rung chose.
        trained: parameters of activations that were learnt, by the tensor that is observed for them.
        ranges: what the estimators chose, by the tensor that is observed.
    """

    settings: Settings
    model: ir.Model
    reference: ir.Model
    plan: Plan
    calibration: Calibration
    activations: dict[str, QuantParams]
    constants: Constants
    proofs: list[OverflowProof]
    left_out: dict[str, str] = field(default_factory=dict)
    estimators: dict[str, str] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)
    given: Constants = field(default_factory=dict)
    trained: dict[str, QuantParams] = field(default_factory=dict)
    ranges: dict[str, Range] = field(default_factory=dict)

    @cached_property
    def quantized(self) -> ir.Model:
        """The QDQ model, checked against the target's rules and ONNX's own.

        Raises:
            TargetError: the result would break a rule of the target.
        """
        model = place(self.model, self.plan, self.activations, self.constants)
        check_target(model, self.settings.target)
        _check(model)
        return model

    def with_model(self, model: ir.Model) -> State:
        """The state of a rewritten model; the integers chosen so far go, for they belonged to other weights."""
        return _derive(replace(self, model=model, reference=model, calibration=Calibration({}), given={}, trained={}))

    def with_biases(self, model: ir.Model) -> State:
        """The state of a model that differs in biases alone: ranges and integers of weights stay."""
        return _derive(replace(self, model=model))

    def with_estimators(self, chosen: Mapping[str, str]) -> State:
        """With other estimators for some tensors; the model is not run again unless they read other observers."""
        return _derive(replace(self, estimators={**self.estimators, **chosen}))

    def with_constants(self, given: Constants) -> State:
        """With these integers in place of those that plain rounding gives."""
        return _derive(replace(self, given={**self.given, **given}))

    def with_left_out(self, layers: Mapping[str, str]) -> State:
        """With more layers in float."""
        return _derive(replace(self, left_out={**self.left_out, **layers}))

    def with_grids(self, grids: Mapping[str, Grid]) -> State:
        """With some activations, named by the tensor that is observed for them, on other grids."""
        trained = {name: each for name, each in self.trained.items() if name not in grids}
        return _derive(replace(self, grids={**self.grids, **grids}, trained=trained))

    def with_training(self, model: ir.Model, activations: Mapping[str, QuantParams], weights: Constants) -> State:
        """With weights, biases and grids as training left them; what is right stays as it was."""
        given, trained = {**self.given, **weights}, {**self.trained, **activations}
        return _derive(replace(self, model=model, given=given, trained=trained))


def begin(settings: Settings, model: ir.Model, checkpoint: Path | None = None) -> State:
    """The plain quantization of a prepared model: the ladder's lowest rung.

    Args:
        settings: target, samples and settings.
        model: a float model as `octavo.graph.prepare` leaves it.
        checkpoint: a file that keeps the state of the calibration pass.

    Raises:
        ModelError: nothing in the model can be quantized.
        DataError: the samples do not fit the model.
    """
    return _derive(State(settings, model, model, settings.planner(model, {}), Calibration({}), {}, {}, []), checkpoint)


def restored(
    settings: Settings, model: ir.Model, reference: ir.Model, calibration: Calibration, **decisions: Any
) -> State:
    """The state of these decisions on a model that was a state's before."""
    return _derive(State(settings, model, reference, settings.planner(model, {}), calibration, {}, {}, [], **decisions))


def _derive(state: State, checkpoint: Path | None = None) -> State:
    """Plan, calibrate and quantize, once more without each layer whose accumulator could overflow."""
    while True:
        plan = _plan(state)
        calibration = _calibrate(state, plan, checkpoint)
        ranges = _ranges(plan, calibration, state.trained)
        activations = _activations(plan, ranges, state.trained)
        constants = quantize_constants(state.model, plan, activations, state.given)
        proofs = prove(state.model, plan, activations, constants)
        failed = {
            proof.layer: f"its accumulator could reach {proof.bound}, beyond 32 bits"
            for proof in proofs
            if not proof.holds
        }
        state = replace(
            state,
            plan=plan,
            calibration=calibration,
            activations=activations,
            constants=constants,
            proofs=proofs,
            ranges=ranges,
        )
        if not failed:
            return state
        state = replace(state, left_out={**state.left_out, **failed})


def _plan(state: State) -> Plan:
    plan = state.settings.planner(state.model, state.left_out)
    for tensor in plan.tensors.values():
        tensor.estimator = state.estimators.get(tensor.source, tensor.estimator)
        tensor.grid = state.grids.get(tensor.source, tensor.grid)
    return plan


def _calibrate(state: State, plan: Plan, checkpoint: Path | None) -> Calibration:
    known, settings = state.calibration, state.settings
    makers = {name: estimator(plan.tensors[name].estimator).observer for name in plan.sources}
    wanted = {
        name: make
        for name, make in makers.items()
        if name not in known.observers or type(known.observers[name]) is not type(make())
    }
    if not wanted and (known.samples or not makers):
        return known
    found = run(
        state.model,
        wanted,
        settings.samples,
        checkpoint=checkpoint,
        progress=settings.progress,
        batch_size=settings.batch_size,
        threads=settings.threads,
        identify=settings.identify,
    )
    return replace(found, observers={**known.observers, **found.observers})


def _ranges(plan: Plan, calibration: Calibration, known: Container[str]) -> dict[str, Range]:
    """What the estimators choose for every tensor that is observed, but for those with known parameters."""
    found: dict[str, Range] = {}
    for tensor in plan.tensors.values():
        if tensor.source not in known and tensor.source not in found:
            observer = calibration.observers[tensor.source]
            found[tensor.source] = estimator(tensor.estimator).range(observer, tensor.grid, tensor.symmetric)
    return found


def _activations(plan: Plan, ranges: Mapping[str, Range], known: Mapping[str, QuantParams]) -> dict[str, QuantParams]:
    rule = pytorch_params if plan.target.rule == "pytorch" else params_from_range
    by_source = dict(known)
    for tensor in plan.tensors.values():
        if tensor.source not in by_source:
            by_source[tensor.source] = rule(*ranges[tensor.source], tensor.grid, symmetric=tensor.symmetric)
    return {name: by_source[tensor.source] for name, tensor in plan.tensors.items()}


def _check(model: ir.Model) -> None:
    """Hold the result against ONNX's own checker."""
    from onnx_ir.passes.common import CheckerPass

    try:
        CheckerPass(full_check=False)(model)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise OctavoError(f"the quantized model fails onnx.checker: {reason}; please report this model") from error
