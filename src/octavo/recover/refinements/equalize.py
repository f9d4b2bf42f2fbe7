"""Cross-layer equalization before calibration, where the ranges of channels demand it."""

from __future__ import annotations

from dataclasses import replace

import onnx_ir as ir

from octavo.data import SampleSet
from octavo.quantizer import Settings, State, begin, derive
from octavo.recover.layers.pairs import Pair, pairs
from octavo.recover.layers.rows import Span, tensors
from octavo.recover.refinements.check import Check
from octavo.recover.rungs.equalize import quantized_pairs, scale_channels
from octavo.system.progress import Silent

# A tensor whose channels' ranges differ by less keeps four of its eight bits in every channel.
_LEAST_SPREAD = 16.0


def equalized(settings: Settings, model: ir.Model, fit: SampleSet, check: Check | None) -> tuple[ir.Model, str] | None:
    """The model with channels scaled between pairs of layers, and what was done; None where it does not help.

    Only pairs without a Clip are scaled, so that the float function stays the same on every input. Both models are
    compared with the ranges of the fitted samples: a full calibration pass is needed for the better one only.

    Args:
        settings: the settings of the quantization.
        model: the prepared float model.
        fit: samples that the factors are fitted to.
        check: compares both models on other samples; None to scale without comparing.
    """
    few = replace(settings, samples=fit, progress=Silent())
    if _largest_spread(few, model) < _LEAST_SPREAD:
        return None
    state = begin(few, model)
    scaled = model.clone()
    note = scale_channels(state, scaled, [pair for pair in quantized_pairs(state, scaled) if pair.clip is None])
    if not note or (check is not None and not _helps(state, derive(state.with_model(scaled)), check)):
        return None
    return scaled, note


def _helps(before: State, after: State, check: Check) -> bool:
    old, new = check.level_db(before.quantized), check.level_db(after.quantized)
    return old is not None and new is not None and new > old


def _largest_spread(settings: Settings, model: ir.Model) -> float:
    """How much larger the largest range of a channel is than the smallest, in the worst tensor between two layers."""
    found = [pair for pair in pairs(model) if pair.clip is None]
    if not found:
        return 1.0
    spans = [(_between(pair), Span(pair.first.outputs, pair.first.channel_axis)) for pair in found]
    for values in tensors(model, settings, [name for name, _ in spans]):
        for name, span in spans:
            span.update(values[name])
    return max(_spread(span) for _, span in spans)


def _between(pair: Pair) -> str:
    """The tensor that the first operator behind the first layer writes: a Relu's output, in most pairs."""
    return (pair.between[0] if pair.between else pair.first.node).outputs[0].name or ""


def _spread(span: Span) -> float:
    live = span.largest[span.largest > 0]
    return float(live.max() / live.min()) if live.size else 1.0
