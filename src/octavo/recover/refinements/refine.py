"""Refine plain quantization: equalization, ranges and biases, each kept only where it helps on other samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import onnx_ir as ir

from octavo.errors import UserError
from octavo.quantizer import Decisions, Draft, Settings, State, begin, derive
from octavo.recover.layers.bias_correction import CORRECT, BiasCorrection, corrected
from octavo.recover.layers.capture import Captured, capture
from octavo.recover.layers.few import few
from octavo.recover.layers.walk import walkable
from octavo.recover.refinements.check import Check
from octavo.recover.refinements.equalize import equalized
from octavo.recover.refinements.ranges import proposals, whole_ranges, with_ranges, with_whole_ranges
from octavo.recover.refinements.trial import Trial

# What a recipe can name; the choice of ranges stands in its tensors.
EQUALIZE = "equalize"
REFINEMENTS = (EQUALIZE, CORRECT)
# The note of what went wrong stands among the refinements under this name.
FAILED = "failed"
# A smaller gain is noise.
_LEAST_GAIN_DB = 0.1
# Samples to compare on: fewer for models whose layers read more values than this in a run.
_RUNS, _FEW_RUNS, _MANY_VALUES = 16, 8, 1 << 21


def refine(settings: Settings, model: ir.Model, checkpoint: Path | None = None, *, choose_ranges: bool = True) -> State:
    """The best plain quantization that is cheap.

    Channels are equalized where their ranges differ much, ranges are min-max where that is better than the target's
    estimator, and the mean error of each layer is taken out of its bias. Each is fitted to at most 16 calibration
    samples and kept only where the outputs of 16 others (8 for large models) are closer to the float model's. Models
    with subgraphs, and weights alone, get the target's choices.

    Args:
        settings: the settings of the quantization.
        model: a float model as `octavo.graph.prepare` returns it.
        checkpoint: file that keeps the progress of the calibration pass.
        choose_ranges: whether estimators may change; not where the user named one.

    Raises:
        ModelError: nothing in the model can be quantized.
        DataError: the samples do not fit the model.
    """
    if settings.target.weights_only or not walkable(model) or not _has_float_output(model):
        return begin(settings, model, checkpoint)
    samples, taken = few(settings.samples)
    settings = replace(settings, samples=samples)
    if taken is None:
        return begin(settings, model, checkpoint)
    try:
        captured = capture(model, settings, taken.fit)
        check = Check(model, taken.check, _runs(captured), settings.threads)
        done = equalized(settings, model, taken.fit, captured, check)
    except Exception as error:
        # Of a fault in the samples or the model, the calibration pass says more.
        return _failed(begin(settings, model, checkpoint), error)
    state = begin(settings, model, checkpoint) if done is None else _begin(settings, *done, checkpoint)
    try:
        if done is not None:
            captured = capture(state.model, settings, taken.fit)
        return _choose(state, captured, check, choose_ranges)
    except Exception as error:
        return _failed(state, error)


def follow(settings: Settings, model: ir.Model, names: Sequence[str], checkpoint: Path | None = None) -> State:
    """The plain quantization with these refinements, without judging them.

    Raises:
        ModelError: nothing in the model can be quantized.
        DataError: the samples do not fit the model.
    """
    if not names:
        return begin(settings, model, checkpoint)
    samples, taken = few(settings.samples)
    settings = replace(settings, samples=samples)
    if taken is None:
        return begin(settings, model, checkpoint)
    captured = capture(model, settings, taken.fit)
    done = equalized(settings, model, taken.fit, captured, None) if EQUALIZE in names else None
    if done is None:
        state = begin(settings, model, checkpoint)
    else:
        state = _begin(settings, *done, checkpoint)
        captured = capture(state.model, settings, taken.fit)
    return corrected(state, BiasCorrection(state, captured)) if CORRECT in names else state


def _choose(state: State, captured: Mapping[str, Captured], check: Check, choose_ranges: bool) -> State:
    """The state with the ranges and biases that are best on the samples of `check`."""
    correction, whole = BiasCorrection(state, captured), whole_ranges(state) if choose_ranges else {}
    plain = correction.uncorrected()
    if not plain and not whole:
        return state
    trial = Trial(state, list(plain), check)
    best, best_db = frozenset[str](), trial.level_db(state.activations, correction.biases(state.activations))
    if best_db is None:
        return state
    for chosen in proposals(state, whole, captured):
        activations = with_ranges(state, whole, chosen)
        level_db = trial.level_db(activations, correction.biases(activations))
        if level_db is not None and level_db > best_db + (0.0 if best else _LEAST_GAIN_DB):
            best, best_db = chosen, level_db
    plain_db = trial.level_db(with_ranges(state, whole, best), plain)
    state = with_whole_ranges(state, best)
    return state if plain_db is None or plain_db >= best_db else corrected(state, BiasCorrection(state, captured))


def _failed(state: State, error: Exception) -> State:
    """The state with a note of an error that a refinement met; a refinement never costs the quantization."""
    kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    note = f"the defaults were not refined: {kind}{' '.join(str(error).split())[:300]}"
    refinements = {**state.decisions.refinements, FAILED: note}
    return replace(state, decisions=replace(state.decisions, refinements=refinements))


def _has_float_output(model: ir.Model) -> bool:
    return any(value.dtype == ir.DataType.FLOAT for value in model.graph.outputs)


def _runs(captured: Mapping[str, Captured]) -> int:
    """On how many samples to compare: fewer where a run takes long."""
    values = sum(seen.values for seen in captured.values())
    return _FEW_RUNS if values > _MANY_VALUES else _RUNS


def _begin(settings: Settings, model: ir.Model, note: str, checkpoint: Path | None) -> State:
    return derive(Draft(settings, model, model, Decisions(refinements={EQUALIZE: note})), checkpoint)
