"""Equalize channels before calibration, between layers and behind normalization, where their ranges demand it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import onnx_ir as ir

from octavo.data import SampleSet
from octavo.quantizer import Draft, Settings, State, begin, derive, make_plan
from octavo.recover.layers.capture import Captured
from octavo.recover.layers.channels import Doubles
from octavo.recover.refinements.check import Check
from octavo.recover.rungs.equalize import quantized_pairs, scale_channels
from octavo.recover.rungs.smooth import fold_scales
from octavo.system.progress import Silent

# The channels of a tensor that lose four bits or more to the largest, as a share, from where on it is worth a try.
_LOST_BITS, _LEAST_SHARE = 4, 1 / 8


def equalized(
    settings: Settings, model: ir.Model, fit: SampleSet, captured: Mapping[str, Captured], check: Check | None
) -> tuple[ir.Model, str] | None:
    """The model with channels scaled, and what was done; None where it does not help.

    Scaled are pairs of layers without a Clip between them (cross-layer equalization), and what constants of arithmetic
    or normalization write for Gemm and MatMul (SmoothQuant), so that the float function stays the same on every input
    and no operator is added. Both models are compared with the ranges of the fitted samples: a full calibration pass
    is needed for the better one only.

    Args:
        settings: the settings of the quantization.
        model: the prepared float model.
        fit: samples that the factors are fitted to.
        captured: what the layers read on these samples.
        check: compares both models on other samples; None to scale without comparing.
    """
    quiet = {name for name, seen in captured.items() if _quiet_share(seen.largest) >= _LEAST_SHARE}
    if not quiet:
        return None
    few = replace(settings, samples=fit, seed=0, progress=Silent())
    scaled, plan = model.clone(), make_plan(Draft(settings, model, model))
    found = [pair for pair in quantized_pairs(plan, scaled) if pair.clip is None]
    notes = []
    if any(pair.second.node.name in quiet for pair in found):
        notes.append(scale_channels(few, plan, scaled, found))
    notes.append(fold_scales(few, plan, scaled, {_reads(captured[name]) for name in quiet}))
    note = "; ".join(filter(None, notes))
    if not note or (check is not None and not _helps(begin(few, model), scaled, check)):
        return None
    return scaled, note


def _reads(seen: Captured) -> str:
    value = seen.linear.node.inputs[0]
    return "" if value is None else value.name or ""


def _helps(before: State, scaled: ir.Model, check: Check) -> bool:
    old, new = check.level_db(before.quantized), check.level_db(derive(before.with_model(scaled)).quantized)
    return old is not None and new is not None and new > old


def _quiet_share(largest: Doubles) -> float:
    """The share of the channels that use few of the steps of a grid for all."""
    live = largest[largest > 0]
    return float((live < live.max() / 2**_LOST_BITS).mean()) if live.size else 0.0
