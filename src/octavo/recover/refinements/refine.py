"""Refine plain quantization: equalization, ranges and biases, each kept only where it helps on other samples."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from pathlib import Path

import onnx_ir as ir

from octavo.quantizer import Decisions, Draft, Settings, State, begin, derive
from octavo.recover.layers.walk import walkable
from octavo.recover.refinements.biases import corrected
from octavo.recover.refinements.check import Check
from octavo.recover.refinements.equalize import equalized
from octavo.recover.refinements.few import Few, few
from octavo.recover.refinements.ranges import with_whole_ranges
from octavo.recover.refinements.rows import LayerRows, layer_rows

# What a recipe can name; the choice of ranges stands in its tensors.
EQUALIZE, CORRECT = "equalize", "correct"
REFINEMENTS = (EQUALIZE, CORRECT)
# A smaller gain is noise.
_LEAST_GAIN_DB = 0.1


def refine(settings: Settings, model: ir.Model, checkpoint: Path | None = None, *, choose_ranges: bool = True) -> State:
    """The best plain quantization that is cheap.

    Channels are equalized where their ranges differ much, ranges are min-max where that is better than the target's
    estimator, and the mean error of each layer is taken out of its bias. Each is fitted to at most 16 calibration
    samples and kept only where the outputs of 16 others are closer to the float model's. Samples that can be read only
    once, and models with subgraphs, get the target's choices.

    Args:
        settings: the settings of the quantization.
        model: a float model as `octavo.graph.prepare` returns it.
        checkpoint: file that keeps the progress of the calibration pass.
        choose_ranges: whether estimators may change; not where the user named one.

    Raises:
        ModelError: nothing in the model can be quantized.
        DataError: the samples do not fit the model.
    """
    taken = few(settings.samples) if walkable(model) else None
    if taken is None:
        return begin(settings, model, checkpoint)
    check = Check(model, taken.check, settings.threads)
    model, notes = _equalize(settings, model, taken, check)
    state = _begin(settings, model, notes, checkpoint)
    if not state.activations:
        return state
    layers = layer_rows(state, taken.fit)
    return _best([state, *(with_whole_ranges(state, layers) if choose_ranges else [])], layers, check)


def _best(states: Sequence[State], layers: Sequence[LayerRows], check: Check) -> State:
    """The best of the states with corrected biases; the first unless another is clearly better."""
    chosen, best, best_db = states[0], states[0], -inf
    for state in states:
        candidate = corrected(state, layers) or state
        level_db = check.level_db(candidate.quantized)
        if level_db is None:
            return states[0]
        if level_db > best_db + _LEAST_GAIN_DB:
            chosen, best, best_db = state, candidate, level_db
    level_db = best_db if chosen is best else check.level_db(chosen.quantized)
    return best if level_db is None or level_db <= best_db else chosen


def follow(settings: Settings, model: ir.Model, names: Sequence[str], checkpoint: Path | None = None) -> State:
    """The plain quantization with these refinements, without judging them.

    Raises:
        ModelError: nothing in the model can be quantized.
        DataError: the samples do not fit the model.
    """
    taken = few(settings.samples) if names else None
    if taken is None:
        return begin(settings, model, checkpoint)
    notes: dict[str, str] = {}
    if EQUALIZE in names:
        model, notes = _equalize(settings, model, taken, None)
    state = _begin(settings, model, notes, checkpoint)
    if CORRECT in names:
        state = corrected(state, layer_rows(state, taken.fit)) or state
    return state


def _equalize(settings: Settings, model: ir.Model, taken: Few, check: Check | None) -> tuple[ir.Model, dict[str, str]]:
    done = equalized(settings, model, taken.fit, check)
    return (model, {}) if done is None else (done[0], {EQUALIZE: done[1]})


def _begin(settings: Settings, model: ir.Model, notes: dict[str, str], checkpoint: Path | None) -> State:
    return derive(Draft(settings, model, model, Decisions(refinements=notes)), checkpoint)
