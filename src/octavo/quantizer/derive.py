"""Plain quantization, step by step: plan, calibrate, ranges, parameters, constants, proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import onnx_ir as ir

from octavo.affine import Grid, QuantParams, rule
from octavo.calibrate import Calibration, run
from octavo.graph.plan import LayerPlan, Plan
from octavo.graph.proof import OverflowProof, prove
from octavo.graph.weights import quantize_constants
from octavo.quantizer.packed import layers_of_packed, parts
from octavo.quantizer.settings import Settings
from octavo.quantizer.state import Draft, State
from octavo.quantizer.unseen import bounds_of_unseen, layers_of_unseen, unseen_sources
from octavo.ranges import Range, estimator


def begin(settings: Settings, model: ir.Model, checkpoint: Path | None = None) -> State:
    """The plain quantization of a prepared model, without decisions of rungs.

    Args:
        settings: target, calibration samples, planner, and options.
        model: a float model as `octavo.graph.prepare` returns it.
        checkpoint: file that keeps the progress of the calibration pass.

    Raises:
        ModelError: nothing in the model can be quantized.
        DataError: the samples do not fit the model.
    """
    return derive(Draft(settings, model, model), checkpoint)


def derive(draft: Draft, checkpoint: Path | None = None) -> State:
    """Quantize a draft, leaving out layers of unknown range and layers whose accumulator could overflow.

    Data movers that take a packed tensor apart are left out where a part needs a grid of its own.

    Args:
        draft: model, settings and decisions; of a `State`, what was derived before is derived again.
        checkpoint: file that keeps the progress of the calibration pass.

    Raises:
        ModelError: nothing in the model can be quantized.
        DataError: the samples do not fit the model.
    """
    while True:
        plan = make_plan(draft)
        calibration = calibrate(draft, plan, checkpoint)
        unseen = unseen_sources(plan, calibration, draft.decisions)
        proved = bounds_of_unseen(draft.model, unseen)
        ranges = {**choose_ranges(draft, plan, calibration), **proved}
        left_out = {
            **layers_of_packed(draft.model, plan, {**part_ranges(draft, plan, calibration), **ranges}),
            **layers_of_unseen(plan, [name for name in unseen if name not in proved]),
        }
        if left_out:
            draft = replace(draft.with_left_out(left_out), calibration=calibration)
            continue
        activations = activation_params(draft, plan, ranges)
        constants = quantize_constants(draft.model, plan, activations, draft.decisions.constants)
        proofs = prove(draft.model, plan, activations, constants)
        state = State(
            settings=draft.settings,
            model=draft.model,
            reference=draft.reference,
            decisions=draft.decisions,
            calibration=calibration,
            plan=plan,
            ranges=ranges,
            activations=activations,
            constants=constants,
            proofs=proofs,
        )
        overflowing = overflowing_layers(proofs)
        if not overflowing:
            return state
        draft = state.with_left_out(overflowing)


def make_plan(draft: Draft) -> Plan:
    """The planner's plan, with the estimators and grids that rungs decided."""
    decisions = draft.decisions
    plan = draft.settings.planner(draft.model, decisions.left_out)
    layers = {name: _with_weight_grid(layer, decisions.weight_grids.get(name)) for name, layer in plan.layers.items()}
    return replace(plan, layers=layers).with_tensors(
        lambda tensor: replace(
            tensor,
            estimator=decisions.estimators.get(tensor.source, tensor.estimator),
            grid=decisions.grids.get(tensor.source, tensor.grid),
        )
    )


def _with_weight_grid(layer: LayerPlan, grid: Grid | None) -> LayerPlan:
    if grid is None:
        return layer
    return replace(layer, weights=[replace(weight, grid=grid) for weight in layer.weights])


def calibrate(draft: Draft, plan: Plan, checkpoint: Path | None = None) -> Calibration:
    """The observers that the plan's estimators read; the model runs only for those that the draft lacks."""
    known, settings = draft.calibration, draft.settings
    observed = {**parts(draft.model, plan), **{name: name for name in plan.sources}}
    makers = {name: estimator(plan.tensors[source].estimator).observer for name, source in observed.items()}
    missing = {
        name: make
        for name, make in makers.items()
        if name not in known.observers or type(known.observers[name]) is not type(make())
    }
    if not missing and (known.samples or not makers):
        return known
    calibration = run(
        draft.model,
        missing,
        settings.samples,
        checkpoint=checkpoint,
        progress=settings.progress,
        batch_size=settings.batch_size,
        threads=settings.threads,
        identify=settings.identify,
    )
    return replace(calibration, observers={**known.observers, **calibration.observers})


def choose_ranges(draft: Draft, plan: Plan, calibration: Calibration) -> dict[str, Range]:
    """The range that its estimator chooses for each observed tensor without trained parameters."""
    ranges: dict[str, Range] = {}
    for tensor in plan.tensors.values():
        if tensor.source not in draft.decisions.trained and tensor.source not in ranges:
            ranges[tensor.source] = calibration.range(tensor.source, tensor.estimator, tensor.grid, tensor.symmetric)
    return ranges


def part_ranges(draft: Draft, plan: Plan, calibration: Calibration) -> dict[str, Range]:
    """The range of each part that a quantized data mover takes out of a packed tensor."""
    ranges: dict[str, Range] = {}
    for name, source in parts(draft.model, plan).items():
        tensor, observer = plan.tensors[name], calibration.observers[name]
        if observer.varies and source not in draft.decisions.trained:
            ranges[name] = calibration.range(name, plan.tensors[source].estimator, tensor.grid, tensor.symmetric)
    return ranges


def activation_params(draft: Draft, plan: Plan, ranges: Mapping[str, Range]) -> dict[str, QuantParams]:
    """Scale and zero point of every tensor of the plan: trained, or by the target's rule from its range."""
    params_from_range = rule(plan.target.rule).params_from_range
    by_source = dict(draft.decisions.trained)
    for tensor in plan.tensors.values():
        if tensor.source not in by_source:
            low, high = ranges[tensor.source]
            by_source[tensor.source] = params_from_range(low, high, tensor.grid, symmetric=tensor.symmetric)
    return {name: by_source[tensor.source] for name, tensor in plan.tensors.items()}


def overflowing_layers(proofs: Sequence[OverflowProof]) -> dict[str, str]:
    """The layers whose int32 accumulator could overflow, with the reason to leave each in float."""
    return {
        proof.layer: f"its accumulator could reach {proof.bound}, beyond 32 bits" for proof in proofs if not proof.holds
    }
