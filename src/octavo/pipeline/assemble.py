"""Stage 5: the result, as one flat value."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from octavo.graph import model_bytes, stored_bytes
from octavo.measure import Latency, latency_doubt, peak_rss_bytes
from octavo.pipeline import provenance
from octavo.pipeline.layers import layer_reports
from octavo.pipeline.measure import Measured
from octavo.pipeline.recipe import Recipe
from octavo.pipeline.result import QuantizationResult
from octavo.pipeline.seconds import total
from octavo.pipeline.state import Quantized
from octavo.recover import FAILED, PLAIN, RAISED, REFINEMENTS

T = TypeVar("T")

_BOTH = ("float", "quantized")
# Steps that are not rungs of a recipe: their decisions are in its tensors and exclusions.
_NOT_RUNGS = (PLAIN, "search", "mix")


def assemble(measured: Measured) -> QuantizationResult:
    """The result of a measured quantization."""
    quantized, prepared = measured.quantized, measured.quantized.prepared
    state, held_out, native = quantized.state, prepared.held_out, measured.native
    return QuantizationResult(
        model=quantized.model,
        target=prepared.options.target.name,
        metric=measured.metric,
        size_bytes={"float": stored_bytes(prepared.float_model), "quantized": model_bytes(quantized.model)},
        latency_ms=_each(measured, lambda each: each.median_ms),
        latency_spread_ms=_each(measured, lambda each: [each.low_ms, each.high_ms]),
        latency_doubt="" if measured.latency is None else latency_doubt(*measured.latency),
        latency_batch=measured.latency_batch,
        native=native,
        seconds=total(prepared.seconds, quantized.seconds, measured.seconds),
        peak_rss_bytes=peak_rss_bytes(),
        calibration_samples=state.calibration.samples,
        layers=layer_reports(
            state.plan,
            state.activations,
            state.constants,
            measured.errors.tensors,
            measured.errors.shares,
            state.decisions.trained,
            {} if native is None else native.layers,
        ),
        left_float=state.plan.left_float,
        proofs=state.proofs,
        diagnosis=measured.errors.diagnosis,
        recipe=_recipe(quantized),
        versions=provenance.versions(),
        # An iterable has a digest only after it was read, so this one is taken last.
        sha256={**quantized.sha256, **({} if held_out is None else {"evaluation": held_out.sha256()})},
        warnings=[*quantized.warnings, *measured.warnings],
        steps=list(quantized.steps),
        refinements={name: note for name, note in state.decisions.refinements.items() if name != FAILED},
        verdict=measured.verdict,
        tensors=dict(measured.tensors),
        operators=[node.name or "" for node in state.model.graph],
        float_model=prepared.float_model,
        state=state,
    )


def _each(measured: Measured, figure: Callable[[Latency], T]) -> dict[str, T] | None:
    """A figure of both latencies; None where they were not measured."""
    return None if measured.latency is None else dict(zip(_BOTH, map(figure, measured.latency), strict=True))


def _recipe(quantized: Quantized) -> Recipe:
    """The decisions, and the rungs that were kept: following the recipe gives the same model."""
    options, state = quantized.prepared.options, quantized.state
    rungs = [step.rung for step in quantized.steps if step.kept and step.rung not in _NOT_RUNGS]
    raised = [re.escape(name) for name, why in state.decisions.left_out.items() if why == RAISED]
    refinements = [name for name in REFINEMENTS if name in state.decisions.refinements]
    recipe = Recipe.of(state.plan, [*options.exclude, *raised], options.seed)
    return replace(recipe, rungs=rungs, refinements=refinements)
