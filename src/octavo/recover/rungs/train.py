"""Quantization-aware training with the float model as teacher."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

import octavo.torch
from octavo.graph.operators import is_depthwise
from octavo.quantizer import State, derive
from octavo.recover.context import NO_CONTEXT, LadderContext
from octavo.recover.layers.sensitivity import macs, output_elements, own_errors, shares
from octavo.recover.rung import Outcome, Rung

# The work of all steps together, in multiply-accumulates of the forward pass; the number of steps; samples per step.
_WORK = 1.5e12
_STEPS, _LEAST_STEPS = 3000, 300
_ROWS, _LEAST_ROWS = 32, 8
# Multiply-accumulates that take as long as the other work on one output element.
_PER_ELEMENT = 100.0
# The share of samples that is held out.
_HELD_OUT = 1 / 8
_LIMIT_SECONDS = 300.0
# `needed_by` names the fewest layers that cause this share of the error, at most this number.
_NAMED_SHARE, _MOST_NAMED = 0.5, 3


def train(state: State, context: LadderContext = NO_CONTEXT) -> Outcome:
    """Train weights, biases, scales and zero points to reproduce the float model's outputs.

    It uses calibration samples without labels, and keeps the epoch with the best agreement on an eighth of them.
    """
    obstacle = _obstacle(state)
    if obstacle is not None:
        return Outcome(state, obstacle)
    settings, network = state.settings, octavo.torch.trainable(state)
    epochs, rows = _effort(state)
    tuned = octavo.torch.finetune(
        network,
        settings.samples,
        epochs=epochs,
        batch_size=rows,
        checkpoint=context.training_checkpoint,
        seed=settings.seed,
        threads=settings.threads,
        progress=settings.progress,
    )
    details = {"epochs": tuned.epochs, "best": tuned.best, "agreement_db": tuned.agreement_db}
    if not tuned.best:
        return Outcome(state, f"no epoch of {tuned.epochs} agrees better with the float model", details)
    learned = network.learned()
    trained = derive(state.with_training(learned.model, learned.activations, learned.weights))
    first, best = tuned.agreement_db[0], tuned.agreement_db[tuned.best]
    note = (
        f"trained for {tuned.epochs} epochs, {first:.1f} to {best:.1f} dB on held-out samples; for {needed_by(state)}"
    )
    return Outcome(trained, note, details)


def estimate_seconds(state: State) -> float:
    """An estimate of the seconds that `train` takes, from timed steps."""
    if _obstacle(state) is not None:
        return 0.0
    epochs, rows = _effort(state)
    return epochs * octavo.torch.epoch_seconds(
        octavo.torch.trainable(state), state.settings.samples, rows, state.settings.seed, state.settings.threads
    )


def needed_by(state: State) -> str:
    """The layers that cause most of the error, with their operator and share."""
    errors = own_errors(state)
    total, nodes = 0.0, {node.name: node for node in state.model.graph}
    named: list[str] = []
    for name, share in sorted(shares(errors).items(), key=lambda item: -item[1]):
        what = f"depthwise {nodes[name].op_type}" if is_depthwise(nodes[name]) else nodes[name].op_type
        named.append(f"'{name}' ({what}, {share:.0%} of the error)")
        total += share
        if total >= _NAMED_SHARE or len(named) == _MOST_NAMED:
            break
    return ", ".join(named) or "no particular layer"


def _obstacle(state: State) -> str | None:
    """The reason why the model cannot be trained, or None."""
    if find_spec("torch") is None:
        return "PyTorch is not installed; run pip install 'octavo[torch]'"
    unknown = octavo.torch.untranslatable(list(state.quantized.graph))
    return f"operators that are not translated to PyTorch: {', '.join(unknown)}" if unknown else None


def _effort(state: State) -> tuple[int, int]:
    """Epochs, and samples per step: larger networks get fewer of both."""
    work = sum(macs(state).values()) + _PER_ELEMENT * output_elements(state)
    rows = int(np.clip(_WORK / (work * _STEPS), _LEAST_ROWS, _ROWS))
    steps = float(np.clip(_WORK / (work * rows), _LEAST_STEPS, _STEPS))
    samples = state.settings.samples.length or state.calibration.samples
    return max(round(steps * rows / (samples * (1 - _HELD_OUT))), 1), rows


TRAIN = Rung(
    "train",
    "quantization-aware training",
    train,
    estimate_seconds=estimate_seconds,
    training_limit_seconds=_LIMIT_SECONDS,
    reason=needed_by,
)
